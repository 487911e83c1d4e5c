"""Volumes of a real size: full for one node alone, grown in use, and whole whatever is cut off."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes.disks import FilesystemWorld, cannot, cannot_in_use, cram, loops, mounts
from fakes.machine import machine
from fakes.worlds import CLUSTER, ProcessWorld, broker, ended, eventually, larger, running, sees, specify, use

from penstock.compute.base import ComputeError
from penstock.compute.process import filesystem
from penstock.compute.process.gauge import census
from penstock.model.ids import NodeId
from penstock.model.observation import Absent, Bereft, Gone, Running
from penstock.model.volume import GIB, MIB, VolumeKind, VolumeUse

real = pytest.mark.skipif(cannot() is not None, reason=cannot() or "")


@pytest.fixture
def disks() -> Iterator[FilesystemWorld]:
    with machine(FilesystemWorld) as world:
        assert isinstance(world, FilesystemWorld)
        yield world


def seen_volume(world: ProcessWorld, node: NodeId) -> VolumeUse | None:
    seen = sees(world, node)
    assert isinstance(seen, Running | Gone)
    return seen.volume


def fill(path: Path, size: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        os.posix_fallocate(handle, 0, size)
    finally:
        os.close(handle)


@real
class TestFilesystems:
    def test_a_full_volume_is_full_for_its_node_alone(self, disks: FilesystemWorld) -> None:
        one, two = specify(disks, broker(1)), specify(disks, broker(2))
        for node in (one, two):
            disks.compute.start(node, [], fence=1)
        with pytest.raises(OSError, match="No space left") as full:
            fill(disks.home.place(one.id).data / "topic-0.log", 2 * GIB)
        assert full.value.errno == errno.ENOSPC
        assert (use(disks, one.id).full or 0) > 0.99
        assert (use(disks, two.id).full or 1) < 0.1
        disks.put(two.id, "record", b"it goes on")
        os.unlink(disks.home.place(one.id).data / "topic-0.log")
        assert (use(disks, one.id).full or 1) < 0.1

    def test_an_image_takes_what_is_written_and_gives_back_what_is_deleted(self, disks: FilesystemWorld) -> None:
        node = specify(disks, broker(1))
        disks.compute.start(node, [], fence=1)
        place = disks.home.place(node.id)
        empty = place.image.stat().st_blocks * 512
        assert empty < 16 * MIB < place.image.stat().st_size == GIB
        (place.data / "segment").write_bytes(os.urandom(32 * MIB))
        os.sync()
        assert place.image.stat().st_blocks * 512 > 32 * MIB
        (place.data / "segment").unlink()
        subprocess.run(["sync", "-f", str(place.data)], check=True)
        eventually(lambda: place.image.stat().st_blocks * 512 < 24 * MIB, 20)

    def test_ballast_takes_nothing_of_the_disk_below_and_gives_a_full_volume_room(self, disks: FilesystemWorld) -> None:
        node = ended(disks, specify(disks, broker(1)))
        place = disks.home.place(node.id)
        held = use(disks, node.id).ballast
        assert held >= GIB // 100 - 4096
        assert place.image.stat().st_blocks * 512 < 16 * MIB
        cram(place.data)
        full = use(disks, node.id)
        assert (full.left, full.exhausted, full.full) == (0, True, 1.0)
        assert full.ballast == held
        disks.compute.ballast(node.id, fence=1, held=False)
        assert use(disks, node.id).left >= held
        assert not use(disks, node.id).exhausted
        disks.compute.start(node, [], fence=1)
        disks.put(node.id, "record", b"there is room")
        assert use(disks, node.id).ballast == 0

    def test_a_full_volume_grows_while_its_node_is_down(self, disks: FilesystemWorld) -> None:
        node = ended(disks, specify(disks, broker(1)))
        cram(disks.home.place(node.id).data)
        disks.compute.start(larger(node, 2), [], fence=1)
        assert use(disks, node.id).left >= GIB - 32 * MIB
        assert disks.data(node.id)["record"] == b"broker 1"

    def test_ballast_is_never_laid_below_the_mount_point(self, disks: FilesystemWorld) -> None:
        node = ended(disks, specify(disks, broker(1)))
        disks.unmount_all()
        for held in (False, True):
            disks.compute.ballast(node.id, fence=1, held=held)
        assert list(disks.home.place(node.id).disk.iterdir()) == []
        assert seen_volume(disks, node.id) is None

    def test_a_filesystem_that_went_read_only_is_seen(self, disks: FilesystemWorld) -> None:
        node = ended(disks, specify(disks, broker(1)))
        assert use(disks, node.id).writable
        subprocess.run(["mount", "-o", "remount,ro", str(disks.home.place(node.id).disk)], check=True)
        assert not use(disks, node.id).writable

    def test_devices_programs_and_foreign_rights_do_not_work_in_it(self, disks: FilesystemWorld) -> None:
        node = specify(disks, broker(1))
        disks.compute.start(node, [], fence=1)
        flags = os.statvfs(disks.home.place(node.id).data).f_flag
        assert flags & os.ST_NODEV
        assert flags & os.ST_NOSUID
        assert flags & os.ST_NOEXEC

    @pytest.mark.parametrize("moment", ["before", "after"])
    @pytest.mark.parametrize("step", ["mkfs.ext4", "mount"])
    def test_a_making_that_is_killed_leaves_nothing_and_is_done_again(
        self, disks: FilesystemWorld, step: str, moment: str
    ) -> None:
        node = specify(disks, broker(1))
        killed(disks, step, moment, lambda: disks.compute.start(node, [], fence=1))
        assert isinstance(sees(disks, node.id), Absent)
        disks.compute.start(node, [], fence=1)
        assert isinstance(sees(disks, node.id), Running)
        assert [path.name for path in disks.home.place(node.id).volume.parent.iterdir()] == ["broker-1"]
        assert len(mounts(disks.root)) == len(loops(disks.root)) == 1
        assert disks.compute.quarantined(CLUSTER) == []

    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_a_removal_that_is_killed_is_finished_by_the_next(self, disks: FilesystemWorld, moment: str) -> None:
        node = ended(disks, specify(disks, broker(1)))
        killed(disks, "umount", moment, lambda: disks.compute.remove(node.id, fence=1))
        assert disks.compute.remove(node.id, fence=1) is None
        assert (mounts(disks.root), loops(disks.root), disks.compute.clusters()) == ([], [], [])
        assert list(disks.home.volumes.iterdir()) == []

    def test_a_deletion_that_was_cut_off_while_mounted_is_cleared_away(self, disks: FilesystemWorld) -> None:
        node = ended(disks, specify(disks, broker(1)))
        place = disks.home.place(node.id)
        place.volume.rename(place.volume.with_name(".broker-1.gone-00112233"))
        assert len(mounts(disks.root)) == 1
        disks.compute.remove(node.id, fence=1)
        assert (mounts(disks.root), loops(disks.root), list(disks.home.volumes.iterdir())) == ([], [], [])

    def test_a_volume_that_is_not_mounted_is_not_taken_for_an_empty_one(self, disks: FilesystemWorld) -> None:
        node = ended(disks, specify(disks, broker(1)))
        disks.unmount_all()
        place = disks.home.place(node.id)
        assert not place.data.exists(), "a program that is started by hand finds no folder to fill"
        assert isinstance(sees(disks, node.id), Gone)
        disks.compute.start(node, [], fence=1)
        assert disks.data(node.id)["record"] == b"broker 1"
        assert place.data.is_mount() is False
        assert place.disk.is_mount()

    def test_a_lost_image_is_a_lost_volume(self, disks: FilesystemWorld) -> None:
        node = ended(disks, specify(disks, broker(1)))
        disks.unmount_all()
        disks.home.place(node.id).image.unlink()
        seen = sees(disks, node.id)
        assert isinstance(seen, Bereft)
        assert seen.incarnation == node.incarnation
        with pytest.raises(ComputeError, match="is not there: put it back"):
            disks.compute.start(node, [], fence=1)

    def test_the_image_of_another_node_is_not_used_and_kept(self, disks: FilesystemWorld) -> None:
        one, two = (ended(disks, specify(disks, broker(number))) for number in (1, 2))
        disks.unmount_all()
        disks.home.place(two.id).image.replace(disks.home.place(one.id).image)
        with pytest.raises(ComputeError, match="belongs to broker-2"):
            disks.compute.start(one, [], fence=1)
        (kept,) = disks.compute.quarantined(CLUSTER)
        assert kept.name.endswith("-broker-1-foreign")
        assert disks.in_quarantine(kept.path)["record"] == b"broker 2"
        assert mounts(disks.root) == [], "what lies in quarantine is not in use"

    def test_a_filesystem_that_went_read_only_is_mounted_afresh_by_the_next_start(self, disks: FilesystemWorld) -> None:
        node = ended(disks, specify(disks, broker(1)))
        place = disks.home.place(node.id)
        subprocess.run(["mount", "-o", "remount,ro", str(place.disk)], check=True)
        disks.compute.start(node, [], fence=1)
        disks.put(node.id, "record", b"again")
        assert len(mounts(disks.root)) == 1

    def test_an_image_that_is_mounted_gets_no_second_device(self, disks: FilesystemWorld) -> None:
        node = ended(disks, specify(disks, broker(1)))
        image, aside = disks.home.place(node.id).image, disks.root / "aside"
        with pytest.raises(ComputeError, match="already mounted"):
            filesystem._run("mount", "-t", "ext4", "-o", filesystem.OPTIONS, str(image), str(image.parent / "disk"))
        filesystem.mount(image, aside)
        assert (len(mounts(disks.root)), len(loops(disks.root))) == (2, 1)
        assert (aside / "data" / "record").read_bytes() == b"broker 1"

    def test_a_volume_that_somebody_looks_into_is_not_removed_before_they_have_gone(
        self, disks: FilesystemWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(filesystem, "RELEASE_SECONDS", 0.05)
        node = ended(disks, specify(disks, broker(1)))
        with (disks.home.place(node.id).data / "record").open("rb") as file:
            with pytest.raises(ComputeError, match=r"umount .* busy.*fuser"):
                disks.compute.remove(node.id, fence=1)
            assert file.read() == b"broker 1"
        assert disks.compute.remove(node.id, fence=1) is None

    def test_a_growth_that_was_cut_off_is_finished_by_the_next_start(self, disks: FilesystemWorld) -> None:
        node = ended(disks, specify(disks, broker(1)))
        os.truncate(disks.home.place(node.id).image, 2 * GIB)  # and then the lights went out
        disks.compute.start(larger(node, 2), [], fence=1)
        assert use(disks, node.id).size == 2 * GIB
        assert disks.data(node.id)["record"] == b"broker 1"

    def test_a_growth_that_the_disk_cannot_hold_says_so_and_changes_nothing(self, disks: FilesystemWorld) -> None:
        node = ended(disks, specify(disks, broker(1)))
        with pytest.raises(ComputeError, match=r"File too large.*PENSTOCK_VOLUMES=directory"):
            disks.compute.start(larger(node, 1 << 24), [], fence=1)
        disks.compute.start(node, [], fence=1)
        assert disks.data(node.id)["record"] == b"broker 1"

    @pytest.mark.skipif(cannot_in_use() is not None, reason=cannot_in_use() or "")
    def test_a_node_that_writes_without_pause_does_not_notice_that_its_volume_grows(
        self, disks: FilesystemWorld
    ) -> None:
        writes = "i=0; while :; do i=$((i+1)); echo $i >> @volume@/log || exit 1; done"
        node = specify(disks, broker(1), ("/bin/sh", "-c", writes))
        disks.compute.start(node, [], fence=1)
        pid, log = running(disks, node.id).pid, disks.home.place(node.id).data / "log"
        for gib in (2, 5, 40):
            disks.compute.grow(larger(node, gib), fence=1)
            assert use(disks, node.id).size == gib * GIB
            written = log.stat().st_size
            eventually(lambda written=written: log.stat().st_size > written)
        assert running(disks, node.id).pid == pid

    @pytest.mark.skipif(cannot_in_use() is not None, reason=cannot_in_use() or "")
    def test_a_full_volume_that_grows_has_room_at_once(self, disks: FilesystemWorld) -> None:
        node = specify(disks, broker(1))
        disks.compute.start(node, [], fence=1)
        with pytest.raises(OSError, match="No space left"):
            fill(disks.home.place(node.id).data / "topic-0.log", 2 * GIB)
        disks.compute.grow(larger(node, 2), fence=1)
        disks.put(node.id, "record", b"again")

    @pytest.mark.skipif(cannot() is not None or cannot_in_use() is None, reason="here filesystems grow in use")
    def test_where_the_system_lets_nobody_grow_them_in_use_it_is_said(self, disks: FilesystemWorld) -> None:
        node = specify(disks, broker(1))
        disks.compute.start(node, [], fence=1)
        with pytest.raises(ComputeError, match=r"CAP_SYS_RESOURCE.*restart the node"):
            disks.compute.grow(larger(node, 2), fence=1)
        assert not disks.compute.capabilities.grows_in_use
        assert any("next start" in note for note in disks.compute.capabilities.notes)
        disks.compute.grow(node, fence=1)  # large enough is no error anywhere

    def test_a_home_says_what_its_volumes_may_come_to(self, disks: FilesystemWorld) -> None:
        for number in (1, 2):
            disks.compute.start(larger(specify(disks, broker(number)), 3), [], fence=1)
        (laid,) = census(disks.home)
        assert (laid.kind, laid.count, laid.promised) == (VolumeKind.FILESYSTEM, 2, 6 * GIB)
        assert 0 < laid.taken < 64 * MIB


def killed(world: FilesystemWorld, step: str, moment: str, act: Callable[[], object]) -> None:
    """A control plane that does this and is dead before or after a tool of that name has done its work."""
    child = os.fork()
    if child == 0:
        try:
            run = filesystem._run

            def cut(tool: str, *arguments: str, fine: tuple[int, ...] = (0,), held: int | None = None) -> None:
                if tool == step and moment == "before":
                    os._exit(9)
                run(tool, *arguments, fine=fine, held=held)
                if tool == step:
                    os._exit(9)

            filesystem._run = cut
            act()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
