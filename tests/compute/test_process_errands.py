"""Checks and growths of filesystems that take long: nobody ends them, nobody waits for ever, and never are there two at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from attrs import define
from fakes.disks import FilesystemWorld, cannot, mounts
from fakes.machine import machine
from fakes.worlds import broker, ended, eventually, larger, specify, use

from penstock.compute.base import ComputeError
from penstock.compute.process import filesystem
from penstock.compute.process.errands import Errands
from penstock.model.volume import GIB

SIZE = 1 << 20
"""What the image of these tests is to grow to, in blocks of 1 KiB: 1024 of them."""
GROWS = rf"dd if={{root}}/grown of={{image}} bs=1 seek={filesystem.SUPERBLOCK} conv=notrunc status=none"


@define
class Bench:
    """An image, and tools that do with it what the test says; each notes that it was called."""

    root: Path

    @property
    def image(self) -> Path:
        return self.root / "image"

    def tool(self, name: str, script: str) -> None:
        path = self.root / "tools" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\necho {name} >> {self.root}/calls\n{script}\n")
        path.chmod(0o755)

    def waits(self, name: str, script: str) -> None:
        """It does its work when the test lets it, and says so in two places."""
        gate = f"n=0; while [ ! -e {self.root}/go ] && [ $n -lt 1000 ]; do n=$((n+1)); sleep 0.02; done\necho working; echo hard >&2"
        self.tool(name, f"{gate}\n{script}")

    def let_go(self) -> None:
        (self.root / "go").touch()

    @property
    def calls(self) -> list[str]:
        path = self.root / "calls"
        return path.read_text().split() if path.exists() else []

    def grow(self) -> None:
        filesystem.fit_at_rest(self.image, self.root / "disk", SIZE)

    @property
    def grown(self) -> bool:
        return filesystem._size(self.image) == SIZE

    def pids(self) -> list[int]:
        """Of tools that are at work."""
        listed = subprocess.run(["pgrep", "-f", f"{self.root}/tools/"], capture_output=True, text=True, check=False)
        return [int(line) for line in listed.stdout.split()]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/tools:{os.environ['PATH']}")
    bench.image.write_bytes(bytes(4096))
    superblock = bytearray(8)
    superblock[4:8] = (SIZE >> 10).to_bytes(4, "little")
    (tmp_path / "grown").write_bytes(superblock)
    bench.tool("e2fsck", "")
    bench.waits("resize2fs", GROWS.format(root=tmp_path, image=bench.image))
    yield bench
    bench.let_go()
    eventually(lambda: not bench.pids())


def test_a_growth_that_takes_long_is_never_ended_and_is_done_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystem, "PATIENCE_SECONDS", 0.1)
    errands = Errands(0.2)
    with pytest.raises(ComputeError, match="not to be cut off: it goes on, and the next try follows"):
        errands.run(bench.image, bench.grow)
    began = time.monotonic()
    with pytest.raises(ComputeError, match="not to be cut off: it goes on"):
        errands.run(bench.image, bench.grow)
    assert time.monotonic() - began < 0.15, "who asks again is answered at once"
    bench.let_go()
    eventually(lambda: bench.grown and not bench.pids())
    errands.run(bench.image, bench.grow)
    assert bench.calls == ["e2fsck", "resize2fs"]


def test_a_growth_that_fails_when_nobody_waits_any_more_says_so_to_the_next_and_is_tried_again(bench: Bench) -> None:
    bench.waits("resize2fs", "echo the disk is spoiled >&2; exit 1")
    errands = Errands(0.2)
    with pytest.raises(ComputeError, match="it goes on"):
        errands.run(bench.image, bench.grow)
    bench.let_go()
    eventually(lambda: not bench.pids())
    time.sleep(0.1)
    with pytest.raises(ComputeError, match=r"resize2fs .*failed: working hard the disk is spoiled; look at the disk"):
        errands.run(bench.image, bench.grow)
    bench.tool("resize2fs", GROWS.format(root=bench.root, image=bench.image))
    Errands(5).run(bench.image, bench.grow)
    assert bench.grown


def test_images_do_not_wait_for_each_other(bench: Bench) -> None:
    errands = Errands(0.1)
    with pytest.raises(ComputeError, match="it goes on"):
        errands.run(bench.image, bench.grow)
    done: list[int] = []
    errands.run(bench.root / "other", partial(done.append, 1))
    assert done == [1]


def test_a_tool_outlives_the_control_plane_and_the_next_one_keeps_its_hands_off_the_image(bench: Bench) -> None:
    script = (
        "import sys; from pathlib import Path; from penstock.compute.process import filesystem; root = Path(sys.argv[1]);"
        f"filesystem.fit_at_rest(root / 'image', root / 'disk', {SIZE})"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    plane = subprocess.Popen([sys.executable, "-c", script, str(bench.root)], env=environment, start_new_session=True)
    eventually(lambda: "resize2fs" in bench.calls, 20)
    os.killpg(plane.pid, signal.SIGKILL)
    plane.wait()
    for _ in range(2):
        with pytest.raises(ComputeError, match="by a tool that an earlier control plane began"):
            bench.grow()
    bench.let_go()
    eventually(lambda: bench.grown and not bench.pids())
    bench.grow()
    assert bench.calls == ["e2fsck", "resize2fs"], "neither ended by its own words nor done twice"


@pytest.mark.skipif(cannot() is not None, reason=cannot() or "")
def test_a_node_starts_when_the_check_of_its_volume_has_ended_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    real = filesystem._find("e2fsck")
    with machine(FilesystemWorld) as world:
        assert isinstance(world, FilesystemWorld)
        node = ended(world, specify(world, broker(1)))
        monkeypatch.setattr(world.compute._volumes.errands, "attended", 0.2)
        monkeypatch.setenv("PATH", f"{tmp_path}/tools:{os.environ['PATH']}")
        bench.waits("e2fsck", f'exec {real} "$@"')
        for _ in range(2):
            with pytest.raises(ComputeError, match="still being checked and made larger"):
                world.compute.start(larger(node, 2), [], fence=1)
            assert mounts(world.root) == [], "what is being worked on is not mounted"
        bench.let_go()

        def started() -> bool:
            with suppress(ComputeError):
                world.compute.start(larger(node, 2), [], fence=1)
                return True
            return False

        eventually(started, 20)
        assert bench.calls == ["e2fsck"]
        assert use(world, node.id).size == 2 * GIB
        assert world.data(node.id)["record"] == b"broker 1"
