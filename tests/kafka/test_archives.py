"""Start-up archives: made on a real cluster, used only where they still fit, and nothing stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from attrs import evolve

from penstock.kafka.archives import LARGEST_HEAP_MIB, ArchiveError, Archives
from penstock.kafka.java import Java
from penstock.kafka.rehearsal import RehearsalError, rehearsal
from penstock.kafka.runtime import Runtime, prepare
from penstock.model.ids import Role
from penstock.settings import default_cache

CACHE = Path(os.environ.get("PENSTOCK_CACHE") or default_cache())
VERSION = "4.3.x.kraft"


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    return prepare(VERSION, CACHE)


@pytest.fixture(scope="module")
def apart(runtime: Runtime, tmp_path_factory: pytest.TempPathFactory) -> Archives:
    """Archives in a cache of their own, with jars of their own, made once for this module."""
    cache = tmp_path_factory.mktemp("archives")
    libs = cache / "libs"
    libs.mkdir()
    for jar in runtime.kafka.jars:
        os.link(jar, libs / jar.name)
    plugin = cache / runtime.plugin.name
    plugin.write_bytes(runtime.plugin.read_bytes())
    archives = Archives(runtime.java, evolve(runtime.kafka, libs=libs), plugin, cache)
    steps: list[int] = []
    archives.make(lambda what, done, total: steps.append(done))
    assert steps == [0, 1, 2, 3]
    return archives


def nodes_under(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if any(str(folder) in part for part in process.cmdline()) and "java" in process.name():
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_what_was_never_made_is_told_and_not_used(runtime: Runtime, tmp_path: Path) -> None:
    archives = Archives(runtime.java, runtime.kafka, runtime.plugin, tmp_path)
    for role in Role:
        state = archives.state(role)
        assert not state.in_force
        assert "not made yet: nodes start slower" in state.sentence
        assert archives.flags(role, 512) == ()


def test_an_archive_is_made_and_then_in_force(apart: Archives) -> None:
    for role in Role:
        state = apart.state(role)
        assert state.in_force, state.sentence
        (flag,) = apart.flags(role, 512)
        assert str(apart.path(role)) in flag
    assert nodes_under(apart.folder) == []
    assert not [path for path in apart.folder.iterdir() if path.suffix in (".growing", ".part")]
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in apart.folder.glob("*.js*"))


def test_what_is_made_is_not_made_again(apart: Archives) -> None:
    seen = apart.path(Role.BROKER).stat().st_mtime_ns
    apart.make(lambda *shown: pytest.fail(f"it worked again: {shown}"))
    assert apart.path(Role.BROKER).stat().st_mtime_ns == seen


def test_a_heap_that_java_maps_no_archive_into_gets_none(apart: Archives) -> None:
    assert apart.flags(Role.BROKER, LARGEST_HEAP_MIB) == ()
    assert apart.flags(Role.BROKER, LARGEST_HEAP_MIB - 1) != ()


def test_another_jar_of_ours_or_another_java_has_other_archives(apart: Archives, tmp_path: Path) -> None:
    other = tmp_path / "penstock-broker.jar"
    other.write_bytes(apart.plugin.read_bytes() + b"\0")
    changed = Archives(apart.java, apart.kafka, other, apart.cache)
    newer = Archives(evolve(apart.java, build="22-x"), apart.kafka, apart.plugin, apart.cache)
    names = {archives.path(Role.BROKER) for archives in (apart, changed, newer)}
    assert len(names) == 3
    assert changed.flags(Role.BROKER, 512) == newer.flags(Role.BROKER, 512) == ()


def test_a_file_that_is_no_archive_is_not_believed(apart: Archives) -> None:
    path = apart.path(Role.CONTROLLER)
    kept, status = path.read_bytes(), path.stat()
    try:
        path.write_bytes(b"\0" * len(kept))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        state = apart.state(Role.CONTROLLER)
        assert not state.in_force
        assert "took only 0 classes" in state.sentence
    finally:
        path.write_bytes(kept)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert apart.state(Role.CONTROLLER).in_force


def test_a_jar_that_changed_since_refuses_the_archive_though_java_would_take_it(apart: Archives) -> None:
    jar = next(jar for jar in apart.kafka.jars if jar.name.startswith("kafka-clients"))
    content, status = jar.read_bytes(), jar.stat()
    jar.unlink()
    assert f"{jar.name} is gone" in str(apart.objection(Role.BROKER))
    jar.write_bytes(content)
    assert f"refused because {jar.name} has changed" in apart.state(Role.BROKER).sentence
    assert apart.flags(Role.BROKER, 512) == ()
    os.utime(jar, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert apart.flags(Role.BROKER, 512) != ()


def test_an_error_in_the_block_ends_both_nodes(runtime: Runtime, tmp_path: Path) -> None:
    extra = {role: runtime.archives.flags(role, 256) for role in Role}
    folder = tmp_path / "nodes"

    def leave() -> None:
        assert len(nodes_under(folder)) == 2
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), rehearsal(runtime.java, runtime.kafka, runtime.plugin, folder, extra):
        leave()
    assert nodes_under(folder) == []
    assert not folder.exists()


def test_a_node_that_cannot_start_is_told_with_its_last_words(runtime: Runtime, tmp_path: Path) -> None:
    bad = {Role.BROKER: ("-XX:+NoSuchFlag",)}
    with (
        pytest.raises(RehearsalError, match=r"(?s)ended at its start with status 1.*NoSuchFlag"),
        rehearsal(runtime.java, runtime.kafka, runtime.plugin, tmp_path / "nodes", bad),
    ):
        pytest.fail("it started")
    assert nodes_under(tmp_path) == []


MAKE = """
import sys
from pathlib import Path
from penstock.kafka.archives import Archives
from penstock.kafka.runtime import prepare
made = prepare(sys.argv[1], Path(sys.argv[2]))
Archives(made.java, made.kafka, made.plugin, Path(sys.argv[3])).make()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux alone ends children with their parent")
def test_a_kill_while_archives_are_made_leaves_no_node_and_no_archive(runtime: Runtime, tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", MAKE, VERSION, str(CACHE), str(tmp_path)])
    try:
        wait_for(lambda: len(nodes_under(tmp_path)) == 2)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    wait_for(lambda: nodes_under(tmp_path) == [])
    archives = Archives(runtime.java, runtime.kafka, runtime.plugin, tmp_path)
    assert all(archives.objection(role) == "not made yet" for role in Role)


def test_a_java_that_cannot_write_archives_is_told(runtime: Runtime, tmp_path: Path) -> None:
    home = tmp_path / "java"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").write_text("#!/bin/sh\necho no dump today >&2\nexit 1\n")
    (home / "bin" / "java").chmod(0o755)
    archives = Archives(Java(home, "21-x", "21"), runtime.kafka, runtime.plugin, tmp_path)
    with pytest.raises(ArchiveError, match=r"could not write its base archive .*no dump today"):
        archives.make()
    assert not list(tmp_path.glob("archives/*.jsa"))


def wait_for(holds: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)
