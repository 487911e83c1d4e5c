"""The quarantine of a home: what is proved to be worthless, what is in doubt, and how one of them goes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fakes.disks import FilesystemWorld, cannot, loops, mounts
from fakes.machine import machine
from fakes.worlds import CLUSTER, ProcessWorld, broker, ended, specify

from penstock.compute.base import ComputeError
from penstock.compute.process import quarantine
from penstock.compute.process.label import LABEL
from penstock.model.quarantine import Aside, Quarantined

real = pytest.mark.skipif(cannot() is not None, reason=cannot() or "")


def retired(world: ProcessWorld, number: int = 4) -> Path:
    """Where the volume lies that a broker has left."""
    place = world.compute.remove(ended(world, specify(world, broker(number))).id, fence=1, keep=True)
    assert place is not None
    return Path(place)


def only(world: ProcessWorld) -> Quarantined:
    (seen,) = world.compute.quarantined()
    return seen


class TestJudgement:
    def test_the_date_is_that_of_the_day_whatever_befalls_the_folder_later(self, world: ProcessWorld) -> None:
        before = datetime.now(UTC)
        path = retired(world)
        os.utime(path, (0, 0))
        seen = only(world)
        assert seen.why is Aside.RETIRED
        assert seen.at is not None
        assert before <= seen.at <= datetime.now(UTC)

    @pytest.mark.parametrize("label", [None, b"{", b'{"cluster": "other-1", "node": "broker-4", "incarnation": "x"}'])
    def test_a_label_that_does_not_bear_the_name_out_is_a_doubt(self, world: ProcessWorld, label: bytes | None) -> None:
        path = retired(world) / LABEL
        path.unlink() if label is None else path.write_bytes(label)
        assert (only(world).why, only(world).worthless) == (Aside.CHANGED, False)

    def test_a_label_that_cannot_be_read_is_a_doubt(self, world: ProcessWorld) -> None:
        label = retired(world) / LABEL
        label.unlink()
        label.mkdir()
        assert (only(world).why, only(world).worthless) == (Aside.CHANGED, False)

    @pytest.mark.parametrize(
        "name",
        [
            "a-copy",
            "20260229T120000.000000Z-{cluster}-broker-4-retired",
            "20260301T120000.000000Z-{cluster}-broker-4-retired.old",
            "20260301T120000.000000Z-{cluster}-broker-4-removed",
            "20260301T120000.000000Z-{cluster}-broker-4",
        ],
    )
    def test_a_name_that_is_none_of_ours_is_a_doubt(self, world: ProcessWorld, name: str) -> None:
        path = retired(world)
        path.rename(path.with_name(name.format(cluster=CLUSTER)))
        assert (only(world).why, only(world).node, only(world).worthless) == (Aside.STRANGE, None, False)

    def test_a_volume_whose_node_has_lost_its_records_is_a_doubt(self, world: ProcessWorld) -> None:
        node = ended(world, specify(world, broker(4)))
        world.home.place(node.id).record("node").unlink()
        world.compute.remove(node.id, fence=1, keep=True)
        assert (only(world).why, only(world).worthless) == (Aside.UNPROVED, False)

    def test_a_link_is_a_doubt_and_its_end_stays(self, world: ProcessWorld) -> None:
        path, elsewhere = retired(world), world.root / "elsewhere"
        path.rename(elsewhere)
        path.symlink_to(elsewhere)
        assert only(world).why is Aside.STRANGE
        world.compute.discard(path.name)
        assert not path.is_symlink()
        assert (elsewhere / "data" / "record").read_bytes() == b"broker 4"

    def test_looking_makes_nothing(self, world: ProcessWorld) -> None:
        assert world.compute.quarantined(measured=True) == []
        world.compute.discard("nothing")
        assert not world.home.quarantine.exists()


class TestRemoval:
    def test_one_goes_and_no_other(self, world: ProcessWorld) -> None:
        gone, stays = retired(world, 4), retired(world, 5)
        world.compute.discard(gone.name)
        assert [path.name for path in world.home.quarantine.iterdir()] == [stays.name]
        assert world.in_quarantine(str(stays))["record"] == b"broker 5"

    def test_one_that_is_cut_off_is_no_volume_any_more_and_finished_by_the_next(
        self, world: ProcessWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = retired(world)

        def killed(tree: Path) -> None:
            (tree / LABEL).unlink()
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(quarantine, "delete", killed)
            with pytest.raises(KeyboardInterrupt):
                world.compute.discard(path.name)
        seen = only(world)
        assert (seen.why, seen.node, seen.worthless) == (Aside.REMOVED, broker(4), True)
        assert not path.exists()
        world.compute.discard(seen.name)
        assert list(world.home.quarantine.iterdir()) == []

    @pytest.mark.parametrize("name", ["", ".", "..", "../volumes", "a/b", "/"])
    def test_no_name_leads_out_of_it(self, world: ProcessWorld, name: str) -> None:
        path = retired(world)
        with pytest.raises(ComputeError, match="no name in quarantine"):
            world.compute.discard(name)
        assert path.exists()
        assert world.home.volumes.exists()

    def test_a_disk_that_does_not_let_it_go_is_told(self, world: ProcessWorld, monkeypatch: pytest.MonkeyPatch) -> None:
        path = retired(world)

        def broken(tree: Path) -> None:
            raise OSError(5, "Input/output error", str(tree))

        monkeypatch.setattr(shutil, "rmtree", broken)
        with pytest.raises(ComputeError, match=r"deleting .* failed: Input/output error"):
            world.compute.discard(path.name)


@real
class TestFilesystems:
    @pytest.fixture
    def disks(self) -> Iterator[FilesystemWorld]:
        with machine(FilesystemWorld) as world:
            assert isinstance(world, FilesystemWorld)
            yield world

    def test_what_a_person_mounted_to_look_into_it_is_unmounted_first(self, disks: FilesystemWorld) -> None:
        path = retired(disks)
        subprocess.run(["mount", "-o", "loop", str(path / "image"), str(path / "disk")], check=True)
        disks.compute.discard(path.name)
        assert (mounts(disks.root), loops(disks.root), list(disks.home.quarantine.iterdir())) == ([], [], [])

    def test_what_is_mounted_in_it_from_elsewhere_is_never_deleted_with_it(self, disks: FilesystemWorld) -> None:
        path, other = retired(disks), disks.root / "other things"
        other.mkdir()
        (other / "record").write_text("precious")
        inner = path / "with a space"
        inner.mkdir()
        subprocess.run(["mount", "--bind", str(other), str(inner)], check=True)
        with pytest.raises(ComputeError, match=r"with a space is mounted in it; unmount that"):
            disks.compute.discard(path.name)
        assert (other / "record").read_text() == "precious"
        assert only(disks).why is Aside.RETIRED
        subprocess.run(["umount", str(inner)], check=True)
        disks.compute.discard(path.name)
        assert (other / "record").read_text() == "precious"

    def test_the_image_of_another_node_is_a_doubt(self, disks: FilesystemWorld) -> None:
        one, four = (ended(disks, specify(disks, broker(number))) for number in (1, 4))
        disks.unmount_all()
        disks.home.place(one.id).image.replace(disks.home.place(four.id).image)
        disks.compute.remove(four.id, fence=1, keep=True)
        seen = only(disks)
        assert (seen.why, seen.worthless) == (Aside.UNPROVED, False)
        assert disks.in_quarantine(seen.path)["record"] == b"broker 1"

    def test_the_mounted_image_of_another_node_is_a_doubt(self, disks: FilesystemWorld) -> None:
        one, four = (ended(disks, specify(disks, broker(number))) for number in (1, 4))
        disks.unmount_all()
        place = disks.home.place(four.id)
        disks.home.place(one.id).image.replace(place.image)
        subprocess.run(["mount", "-o", "loop", str(place.image), str(place.disk)], check=True)
        disks.compute.remove(four.id, fence=1, keep=True)
        assert only(disks).why is Aside.UNPROVED


BORN = datetime(2026, 3, 1, tzinfo=UTC)
WEEK = timedelta(days=7)


@pytest.mark.parametrize(
    ("why", "at", "keep", "born", "goes"),
    [
        (Aside.RETIRED, 2, WEEK, BORN, 9),
        (Aside.RETIRED, 2, None, BORN, None),
        (Aside.RETIRED, 2, WEEK, None, None),
        (Aside.RETIRED, -1, WEEK, BORN, None),
        (Aside.RETIRED, 31, WEEK, BORN, None),
        (Aside.REMOVED, 2, None, BORN, 2),
        *((why, 2, WEEK, BORN, None) for why in Aside if why not in (Aside.RETIRED, Aside.REMOVED)),
    ],
)
def test_only_what_is_proved_worthless_goes_by_itself(
    why: Aside, at: int, keep: timedelta | None, born: datetime | None, goes: int | None
) -> None:
    """Days after the cluster was made; now is day 30."""
    volume = Quarantined("/quarantine/x", why, broker(4), BORN + timedelta(days=at))
    expected = None if goes is None else BORN + timedelta(days=goes)
    assert volume.goes(keep, born, BORN + timedelta(days=30)) == expected
