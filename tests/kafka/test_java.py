"""Which Java nodes run on."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from penstock.kafka import jvm
from penstock.kafka.java import JavaError, copy, find_java, inspect, reachable
from penstock.model.ids import Role

NOBODY = 65534


def fake(home: Path, version: str) -> Path:
    """A folder that looks like a Java of that version."""
    (home / "bin").mkdir(parents=True)
    (home / "lib" / "server").mkdir(parents=True)
    (home / "bin" / "java").write_text("#!/bin/sh\necho hello from java\n")
    (home / "bin" / "java").chmod(0o755)
    (home / "release").write_text(f'IMPLEMENTOR="Test"\nJAVA_VERSION="{version}"\n')
    (home / "lib" / "server" / "libjvm.so").write_bytes(b"machine " + version.encode())
    return home


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user may enter, unlike pytest's own."""
    folder = Path(mkdtemp(prefix="penstock-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_pip_alone_brings_a_java_that_runs(tmp_path: Path) -> None:
    java = find_java(None, tmp_path, environment={})
    said = subprocess.run([java.executable, "-version"], capture_output=True, text=True, check=True).stderr
    assert f'"{java.version}"' in said
    assert int(java.version.split(".")[0]) >= 17
    assert java.build.startswith(f"{java.version}-")


def test_the_setting_wins_over_java_home_and_that_over_pips(tmp_path: Path) -> None:
    mine, theirs = fake(tmp_path / "mine", "17.0.1"), fake(tmp_path / "theirs", "23")
    variables = {"JAVA_HOME": str(theirs)}
    assert find_java(mine, tmp_path, environment=variables).version == "17.0.1"
    assert find_java(None, tmp_path, environment=variables).version == "23"


def test_a_java_that_is_too_old_is_told_with_where_it_came_from(tmp_path: Path) -> None:
    for version, shown in (("11.0.2", "Java 11"), ("1.8.0_402", "Java 8")):
        old = fake(tmp_path / version, version)
        with pytest.raises(JavaError, match=rf"JAVA_HOME names {shown}.*needs Java 17 or newer.*unset it"):
            find_java(None, tmp_path, environment={"JAVA_HOME": str(old)})


def test_a_folder_without_java_is_told_and_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(JavaError, match=r"the setting java_home names .*no bin/java"):
        find_java(tmp_path, tmp_path, environment={})


def test_a_java_without_a_release_file_is_asked_itself(tmp_path: Path) -> None:
    home = fake(tmp_path / "java", "21")
    (home / "release").unlink()
    (home / "bin" / "java").write_text("#!/bin/sh\necho '    java.version = 21.0.3' >&2\n")
    assert inspect(home, "the setting java_home").version == "21.0.3"
    (home / "bin" / "java").write_text("#!/bin/sh\necho what >&2\n")
    with pytest.raises(JavaError, match="does not say which version"):
        inspect(home, "the setting java_home")


def test_equal_builds_have_equal_names_wherever_they_lie(tmp_path: Path) -> None:
    one, same = (inspect(fake(tmp_path / name, "21.0.1"), "test") for name in ("one", "same"))
    other_home = fake(tmp_path / "other", "21.0.1")
    (other_home / "lib" / "server" / "libjvm.so").write_bytes(b"another machine")
    assert one.build == same.build != inspect(other_home, "test").build


def test_a_java_that_nodes_cannot_reach_is_copied_once_to_where_they_can(public: Path) -> None:
    hidden = public / "root-only"
    home = fake(hidden / "java", "21.0.1")
    hidden.chmod(0o700)
    cache = public / "cache"
    cache.mkdir(mode=0o755)
    uid = NOBODY if os.getuid() != NOBODY else NOBODY - 1
    assert not reachable(home / "bin" / "java", uid)
    umask = os.umask(0o077)
    try:
        java = find_java(home, cache, uid, environment={})
    finally:
        os.umask(umask)
    assert java.home == cache / "java" / java.build
    assert reachable(java.executable, uid)
    assert subprocess.run([java.executable], capture_output=True, check=True).stdout == b"hello from java\n"
    assert java.build == inspect(home, "test").build
    made = java.home.stat().st_ctime_ns
    assert find_java(home, cache, uid, environment={}) == java
    assert java.home.stat().st_ctime_ns == made, "it was copied again"


def test_a_java_that_nodes_can_reach_stays_where_it_is(public: Path) -> None:
    home = fake(public / "java", "21.0.1")
    assert find_java(home, public / "cache", NOBODY, environment={}).home == home.resolve()
    assert not (public / "cache").exists()


def test_a_half_copy_from_before_a_crash_is_no_java(public: Path) -> None:
    java = inspect(fake(public / "java", "21.0.1"), "test")
    half = public / "java-cache" / "java" / f"{java.build}.growing"
    half.mkdir(parents=True)
    (half / "rubbish").touch()
    copied = copy(java, public / "java-cache")
    assert not half.exists()
    assert not (copied.home / "rubbish").exists()
    assert copied.executable.read_bytes() == java.executable.read_bytes()


def test_a_cache_that_nodes_cannot_reach_either_is_told(public: Path) -> None:
    hidden = public / "root-only"
    home = fake(hidden / "java", "21.0.1")
    (hidden / "cache").mkdir()
    hidden.chmod(0o700)
    uid = NOBODY if os.getuid() != NOBODY else NOBODY - 1
    with pytest.raises(JavaError, match=rf"nodes run as user {uid}, .*setting cache"):
        find_java(home, hidden / "cache", uid, environment={})


def test_controllers_and_brokers_get_their_own_compilers() -> None:
    broker, controller = jvm.flags(Role.BROKER, 512), jvm.flags(Role.CONTROLLER, 256)
    assert broker[:2] == ("-Xms64m", "-Xmx512m")
    assert "-XX:TieredStopAtLevel=1" in controller
    assert "-XX:TieredStopAtLevel=1" not in broker
    assert "-XX:Tier4BackEdgeThreshold=4000000" in broker
    command = jvm.command("/j/bin/java", Role.BROKER, 512, "a.jar:b.jar", "/n/server.properties", ("-Dx=y",))
    assert command[0] == "/j/bin/java"
    assert command[-5:] == ("-Dx=y", "-cp", "a.jar:b.jar", "kafka.Kafka", "/n/server.properties")
