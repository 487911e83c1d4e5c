"""What the doctor makes of facts: each check's judgement, without a machine to look at."""

from __future__ import annotations

import resource
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from penstock.cli.checks.cgroup import Groups
from penstock.cli.checks.finding import Finding, State, Visit
from penstock.cli.checks.machine import needs, openable, outlive, told_time, weigh
from penstock.cli.checks.network import below
from penstock.cli.checks.places import file_system, laid_on, room
from penstock.settings import Settings, load

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(home=tmp_path)


class TestMachine:
    def test_memory_is_weighed_against_the_heaps_in_force(self, settings: Settings) -> None:
        fresh, full = needs(settings)
        visit = Visit(settings)
        states = [weigh(free, "the machine", visit).state for free in (full, full - 1, fresh, fresh - 1)]
        assert states == [State.OK, State.WARNING, State.WARNING, State.WRONG]
        small = load(home=settings.home, broker_heap_mib=256, controller_heap_mib=64)
        assert weigh(full - 1, "the machine", Visit(small)).state is State.OK

    def test_memory_that_our_own_clusters_fill_is_no_fault(self, settings: Settings) -> None:
        assert weigh(10, "the machine", Visit(settings, clusters=1)).state is State.WARNING

    @pytest.mark.parametrize(
        ("first", "unit", "mode", "state", "words"),
        [
            ("systemd", None, None, State.OK, ""),
            ("tini", None, None, State.OK, ""),
            ("bash", None, None, State.WARNING, "docker run --init"),
            ("systemd", "penstock.service", "control-group", State.WARNING, "Set KillMode=process"),
            ("systemd", "penstock.service", None, State.WARNING, "Set KillMode=process"),
            ("systemd", "penstock.service", "process", State.OK, ""),
        ],
    )
    def test_whether_brokers_outlive_the_control_plane(
        self, first: str, unit: str | None, mode: str | None, state: State, words: str
    ) -> None:
        finding = outlive(first, unit, mode)
        assert finding.state is state
        assert words in finding.fix

    def test_open_files(self) -> None:
        states = [openable(hard, may_raise=False).state for hard in (resource.RLIM_INFINITY, 100_000, 99_999, 1023)]
        assert states == [State.OK, State.OK, State.WARNING, State.WRONG]
        assert openable(1023, may_raise=True).state is State.OK

    def test_a_clock_that_went_back(self) -> None:
        assert told_time(NOW, NOW - timedelta(days=9), NOW - timedelta(days=1)).state is State.OK
        assert told_time(NOW, NOW - timedelta(days=9), NOW + timedelta(minutes=6)).state is State.WARNING
        assert told_time(NOW, NOW + timedelta(days=9), None).state is State.WRONG


class TestControlGroups:
    def test_the_tightest_group_of_version_2_counts(self, tmp_path: Path) -> None:
        inner = tmp_path / "system.slice" / "penstock.service"
        _write(inner, memory__max="max", memory__current="50", pids__max="max")
        _write(inner.parent, memory__max="1000", memory__current="700", pids__max="90", pids__current="20")
        (inner.parent / "memory.stat").write_text("anon 1\ninactive_file 100\n")
        (inner.parent / "cpu.max").write_text("150000 100000\n")
        groups = Groups("0::/system.slice/penstock.service\n", tmp_path)
        assert groups.memory() == (1000, 400)
        assert groups.processors() == 1.5
        assert groups.threads() == 70
        assert groups.unit() == "penstock.service"

    def test_version_1_and_a_path_of_the_outer_machine(self, tmp_path: Path) -> None:
        _write(tmp_path / "memory", memory__limit_in_bytes="2000", memory__usage_in_bytes="500")
        _write(tmp_path / "cpu,cpuacct", cpu__cfs_quota_us="50000", cpu__cfs_period_us="100000")
        groups = Groups("4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n", tmp_path)
        assert groups.memory() == (2000, 1500)
        assert groups.processors() == 0.5
        assert groups.threads() is None
        assert groups.unit() is None

    def test_no_limit_is_none(self, tmp_path: Path) -> None:
        _write(tmp_path / "memory", memory__limit_in_bytes="9223372036854771712", memory__usage_in_bytes="5")
        (tmp_path / "cpu.max").write_text("max 100000\n")
        groups = Groups("4:memory:/\n0::/user.slice/session-1.scope\n", tmp_path)
        assert (groups.memory(), groups.processors(), groups.threads(), groups.unit()) == (None, None, None, None)


class TestPlaces:
    def test_room_on_a_disk(self) -> None:
        states = [room("home", Path("/x"), free, 500, 5000, "PENSTOCK_HOME").state for free in (5000, 4999, 499)]
        assert states == [State.OK, State.WARNING, State.WRONG]
        full = room("home", Path("/x"), 1, 500, 5000, "PENSTOCK_HOME", has_clusters=True)
        assert (full.state, "PENSTOCK_HOME" in full.fix) == (State.WARNING, True)

    @pytest.mark.parametrize(
        ("kind", "state", "words"),
        [
            ("ext4", State.OK, "on ext4"),
            ("xfs", State.OK, "on xfs"),
            ("tmpfs", State.WARNING, "lost when the machine stops"),
            ("nfs4", State.WARNING, "local disk"),
            ("overlay", State.WARNING, "lost with the container"),
        ],
    )
    def test_what_a_file_system_is_good_for(self, kind: str, state: State, words: str) -> None:
        finding = laid_on(kind, Path("/home/volumes"))
        assert finding.state is state
        assert words in finding.sentence

    def test_the_deepest_and_latest_mount_is_the_one(self, tmp_path: Path) -> None:
        mounts = [("/", "overlay"), (str(tmp_path), "ext4"), (str(tmp_path), "xfs"), (f"{tmp_path}-other", "nfs")]
        assert file_system(tmp_path / "home", mounts) == "xfs"
        assert file_system(Path("/"), mounts) == "overlay"
        assert file_system(tmp_path, []) == "unknown"


def test_ports_below_those_of_outgoing_connections() -> None:
    assert below(9094, 32768).state is State.OK
    assert below(9094, None).state is State.OK
    overlap = below(31999, 1024)
    assert (overlap.state, "ip_local_port_range" in overlap.fix) == (State.WARNING, True)


def test_a_finding_is_a_value() -> None:
    finding = Finding("disk", State.OK, "There is room.")
    with pytest.raises(AttributeError):
        finding.state = State.WRONG  # type: ignore[misc]


def _write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(f"{text}\n")
