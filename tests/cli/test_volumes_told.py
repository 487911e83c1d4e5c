"""What users are told about volumes: by the doctor, by status, by explain."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from attrs import evolve
from fakes.worlds import broker

from penstock.cli.checks import places
from penstock.cli.checks.finding import State, Visit
from penstock.cli.checks.places import ailing, promised, to_come
from penstock.cli.volumes import as_value, sentences, use, warnings
from penstock.model.observation import Gone, Known, Running, Unknown
from penstock.model.volume import VolumeKind, VolumeUse, in_words
from penstock.settings import VolumeChoice, load

GIB = 1 << 30
SINCE = datetime(2026, 3, 1, tzinfo=UTC)


def volume(kind: VolumeKind, gib: int, used: int | None) -> VolumeUse:
    return VolumeUse(kind, gib * GIB, used, 50 * GIB)


class TestDoctor:
    @pytest.mark.parametrize(
        ("real", "note", "obstacle", "wanted", "state", "words"),
        [
            (False, "-", None, VolumeChoice.DIRECTORY, State.OK, "not enforced. PENSTOCK_VOLUMES=filesystem"),
            (False, "-", "only root may", VolumeChoice.DIRECTORY, State.OK, "not to be had: only root may"),
            (False, "only root may", "only root may", VolumeChoice.AUTO, State.OK, "The reason: only root may"),
            (True, None, None, VolumeChoice.AUTO, State.OK, "a filesystem of its size. It grows while"),
            (True, "it grows at starts", None, VolumeChoice.FILESYSTEM, State.OK, "Yet it grows at starts"),
            (False, "-", "only root may", VolumeChoice.FILESYSTEM, State.WRONG, "and only root may"),
        ],
    )
    def test_what_a_new_volume_would_be(
        self, real: bool, note: str | None, obstacle: str | None, wanted: VolumeChoice, state: State, words: str
    ) -> None:
        finding = to_come(real, note, obstacle, wanted=wanted)
        assert finding.state is state
        assert words in finding.sentence
        assert bool(finding.fix) == (state is not State.OK)

    def test_filesystems_that_promise_more_than_the_disk_has_are_a_warning(self) -> None:
        fits = promised(VolumeKind.FILESYSTEM, 3, 30 * GIB, 2 * GIB, 28 * GIB)
        assert (fits.state, "3 volumes (filesystem) of 30 GiB in all; 2 GiB" in fits.sentence) == (State.OK, True)
        over = promised(VolumeKind.FILESYSTEM, 3, 30 * GIB, 2 * GIB, 28 * GIB - 1)
        assert (over.state, "read-only" in over.sentence, bool(over.fix)) == (State.WARNING, True, True)

    def test_folders_share_the_disk_and_that_is_no_fault(self) -> None:
        finding = promised(VolumeKind.DIRECTORY, 1, 1000 * GIB, 5 << 20, 80 * GIB)
        assert finding.state is State.OK
        assert "1 volume (folder) of 1000 GiB in all; 5 MiB" in finding.sentence
        assert "80 GiB left: that is the limit that counts" in finding.sentence

    def test_a_volume_that_is_nearly_full_is_a_warning_with_a_fix(self) -> None:
        (finding,) = ailing("broker 1 of orders", volume(VolumeKind.FILESYSTEM, 10, 9 * GIB))
        assert finding.state is State.WARNING
        assert "broker 1 of orders is nearly full, 9 GiB of 10 GiB" in finding.sentence
        assert "UpdateBrokerStorage" in finding.fix
        assert list(ailing("broker 1 of orders", volume(VolumeKind.FILESYSTEM, 10, 8 * GIB))) == []

    def test_it_looks_at_a_home_that_is_none_yet(self, tmp_path: Path) -> None:
        visit = Visit(load(home=tmp_path / "home", network_registry=tmp_path / "networks"))
        found = [*places.volumes(visit), *places.new_volumes(visit)]
        assert [finding.subject for finding in found] == ["volumes", "new volumes"]
        assert list(tmp_path.iterdir()) == []


class TestWords:
    def test_a_node_that_ran_has_a_known_use(self) -> None:
        seen = volume(VolumeKind.DIRECTORY, 10, 5)
        assert use(Known(Running(SINCE, 1, "r", "s", "l", 1, 0.0, volume=seen))) is seen
        assert use(Known(Gone(SINCE, "exit status 1", volume=seen))) is seen
        assert use(Known(Gone(SINCE, "exit status 1"))) is None
        assert use(Unknown("a disk that hangs")) is None
        assert use(None) is None

    def test_one_sentence_for_each_kind(self) -> None:
        nodes = [
            (broker(1), volume(VolumeKind.DIRECTORY, 10, GIB)),
            (broker(2), volume(VolumeKind.FILESYSTEM, 100, 99 * GIB)),
            (broker(3), volume(VolumeKind.DIRECTORY, 10, None)),
            (broker(4), None),
        ]
        assert sentences(nodes) == [
            "Each of these volumes is a directory, which nothing holds to its size: "
            "broker 1 has 1 GiB of 10 GiB (10%); broker 3 has an amount not measured yet of 10 GiB.",
            "Each of these volumes is a filesystem of its size: broker 2 has 99 GiB of 100 GiB (99%).",
        ]
        assert sentences([(broker(1), None)]) == []

    def test_sizes_for_people(self) -> None:
        assert [in_words(count) for count in (0, 5 << 20, GIB, GIB * 3 // 2)] == ["0 MiB", "5 MiB", "1 GiB", "1.5 GiB"]
        assert str(volume(VolumeKind.DIRECTORY, 1, 2 * GIB)) == "2 GiB of 1 GiB (200%)"
        assert str(volume(VolumeKind.DIRECTORY, 0, GIB)) == "1 GiB of a size never written down"

    def test_a_warning_says_what_to_do_and_the_disk_is_told_of_once(self) -> None:
        full = volume(VolumeKind.FILESYSTEM, 10, 9 * GIB)
        stuck = evolve(volume(VolumeKind.FILESYSTEM, 10, GIB), writable=False)
        low = [evolve(volume(VolumeKind.DIRECTORY, 100, 7 * GIB), disk_free=GIB) for _ in range(2)]
        nodes = [
            (broker(n), one) for n, one in enumerate([full, stuck, *low, None, volume(VolumeKind.DIRECTORY, 10, GIB)])
        ]
        assert warnings(nodes) == [
            "The volume of broker 0 is nearly full, 9 GiB of 10 GiB (90%): give brokers larger volumes "
            "(UpdateBrokerStorage), or topics a shorter retention.",
            "The volume of broker 1 is read-only: look at the system log, and mount it for writing again.",
            "The disk that volumes lie on has 1 GiB left: make room there.",
        ]
        assert warnings([]) == []

    def test_json_counts_in_bytes(self) -> None:
        assert as_value(volume(VolumeKind.FILESYSTEM, 1, 7)) == {
            "kind": "filesystem",
            "size": GIB,
            "used": 7,
            "disk_free": 50 * GIB,
            "ballast": 0,
            "writable": True,
        }
        assert as_value(None) is None
