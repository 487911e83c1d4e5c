"""Directories that are measured, and which kind of volume a node gets."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.disks import cannot, cram
from fakes.worlds import CLUSTER, ProcessWorld, broker, ended, eventually, larger, sees, specify, use

from penstock.compute.base import ComputeError
from penstock.compute.process import filesystem
from penstock.compute.process.label import LABEL
from penstock.compute.process.premises import look
from penstock.model import volume
from penstock.model.action import How
from penstock.model.observation import Absent, Running
from penstock.model.volume import GIB, MIB, VolumeKind

real = pytest.mark.skipif(cannot() is not None, reason=cannot() or "")


class TestDirectories:
    def test_a_directory_is_measured_beside_everything_else(self, world: ProcessWorld) -> None:
        world.compute.close()
        world.compute = world.open(measure_seconds=0.02)
        node = specify(world, broker(1))
        world.compute.start(node, [], fence=1)
        small = use(world, node.id).used
        assert small is not None
        assert small < MIB
        world.compute.watch(lambda _: None)
        folder = world.home.place(node.id).data / "orders-0"
        folder.mkdir()
        (folder / "segment").write_bytes(os.urandom(3 * MIB))
        with (folder / "index").open("wb") as preallocated:
            preallocated.truncate(10 * MIB)
        eventually(lambda: (use(world, node.id).used or 0) >= 3 * MIB)
        seen = use(world, node.id)
        assert (seen.kind, seen.size) == (VolumeKind.DIRECTORY, GIB)
        assert (seen.used or 0) < 4 * MIB, "what is preallocated and not written takes no room"
        assert world.compute.remove(node.id, fence=1) is None
        world.compute.close()
        assert list(world.home.nodes.iterdir()) == []

    def test_ballast_goes_though_the_disk_is_full_and_another_term_speaks(
        self, small_disk: Path, world: ProcessWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(volume, "LOW_DISK", MIB)
        monkeypatch.setattr(volume, "MIB", 1 << 10)
        cramped = ProcessWorld(small_disk)
        try:
            node = ended(cramped, specify(cramped, broker(1)))
            held = use(cramped, node.id).ballast
            assert held > 100 << 10
            cram(small_disk)
            with pytest.raises(ComputeError, match="No space left"):
                cramped.compute.start(node, [], fence=2)
            with pytest.raises(ComputeError, match="No space left"):
                cramped.compute.stop(node.id, How.AT_ONCE, fence=2)
            cramped.compute.ballast(node.id, fence=2, held=False)
            cramped.compute.start(node, [], fence=2)
            assert isinstance(sees(cramped, node.id), Running)
        finally:
            cramped.close()

    def test_a_laying_that_fails_leaves_nothing(self, world: ProcessWorld, monkeypatch: pytest.MonkeyPatch) -> None:
        node = ended(world, specify(world, broker(1)))
        world.compute.ballast(node.id, fence=1, held=False)

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "posix_fallocate", full)
        with pytest.raises(ComputeError, match="laying the ballast of broker 1 failed"):
            world.compute.ballast(node.id, fence=1, held=True)
        assert sorted(path.name for path in world.home.place(node.id).volume.iterdir()) == ["data", "volume.json"]

    def test_whoever_looks_at_a_home_sees_how_full_each_volume_is(self, world: ProcessWorld) -> None:
        node = ended(world, specify(world, broker(1)))
        seen = look(world.home.root, world.root / "networks", [], VolumeKind.DIRECTORY)
        assert dict(seen.uses) == {f"broker 1 of {CLUSTER}": use(world, node.id)}

    def test_what_was_measured_is_known_to_whoever_looks_later(self, world: ProcessWorld) -> None:
        node = specify(world, broker(1))
        world.compute.start(node, [], fence=1)
        before = use(world, node.id)
        world.new_control_plane()
        assert use(world, node.id).used == before.used

    def test_a_folder_that_cannot_be_read_hides_no_other(
        self, world: ProcessWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        nodes = [specify(world, broker(number)) for number in (1, 2)]
        for node in nodes:
            world.compute.start(node, [], fence=1)
        bad, good = (world.home.place(node.id) for node in nodes)
        scan = os.scandir

        def broken(path: Path) -> Iterator[os.DirEntry[str]]:
            if Path(path) == bad.data:
                raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
            return scan(path)  # type: ignore[return-value]

        good.record("use").unlink()
        monkeypatch.setattr(os, "scandir", broken)
        world.compute.watch(lambda _: None)
        eventually(lambda: good.record("use").exists())

    def test_a_volume_from_before_sizes_were_written_down_gets_one_at_the_next_start(self, world: ProcessWorld) -> None:
        node = specify(world, broker(1))
        world.compute.start(node, [], fence=1)
        label = world.home.place(node.id).volume / LABEL
        record = json.loads(label.read_bytes())
        label.write_text(json.dumps({name: record[name] for name in ("cluster", "node", "incarnation")}))
        assert use(world, node.id).size == 0
        world.compute.grow(node, fence=1)
        assert use(world, node.id).size == GIB
        world.kill(node.id)
        world.compute.start(larger(node, 7), [], fence=1)
        assert use(world, node.id).size == 7 * GIB


class TestChoice:
    def test_a_machine_that_cannot_makes_directories_and_says_why(
        self, world: ProcessWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(filesystem, "why_not", lambda: "the system has no loop devices")
        world.compute.close()
        world.compute = world.open(volumes=None)  # type: ignore[arg-type]
        assert not world.compute.capabilities.real_volumes
        assert any("no loop devices" in note for note in world.compute.capabilities.notes)
        node = specify(world, broker(1))
        world.compute.start(node, [], fence=1)
        assert use(world, node.id).kind is VolumeKind.DIRECTORY

    def test_where_filesystems_must_be_and_cannot_nothing_is_made(
        self, world: ProcessWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(filesystem, "why_not", lambda: "only root may mount filesystems")
        world.compute.close()
        world.compute = world.open(volumes=VolumeKind.FILESYSTEM)  # type: ignore[arg-type]
        node = specify(world, broker(1))
        with pytest.raises(ComputeError, match=r"only root may mount.*PENSTOCK_VOLUMES=auto"):
            world.compute.start(node, [], fence=1)
        assert list(world.home.volumes.iterdir()) == []
        assert isinstance(sees(world, node.id), Absent)

    @real
    def test_a_volume_stays_what_it_was_made_as(self, world: ProcessWorld) -> None:
        node = ended(world, specify(world, broker(1)))
        world.compute.close()
        world.compute = world.open(volumes=VolumeKind.FILESYSTEM)  # type: ignore[arg-type]
        world.compute.start(node, [], fence=1)
        assert use(world, node.id).kind is VolumeKind.DIRECTORY
        assert world.data(node.id)["record"] == b"broker 1"

    @pytest.mark.parametrize("missing", ["mkfs.ext4", "resize2fs"])
    def test_a_missing_tool_is_named(self, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(filesystem, "_has", lambda capability: True)
        monkeypatch.setattr(filesystem, "LOOP_CONTROL", Path("/dev/null"))
        monkeypatch.setattr(filesystem, "_find", lambda tool: None if tool == missing else f"/sbin/{tool}")
        assert (filesystem.why_not() or "").startswith(f"{missing} cannot be found")

    def test_looking_at_a_home_that_is_none_makes_nothing(self, tmp_path: Path) -> None:
        seen = look(tmp_path / "home", tmp_path / "networks", [], VolumeKind.DIRECTORY)
        assert (seen.real_volumes, seen.volumes) == (False, ())
        assert list(tmp_path.iterdir()) == []
