"""Kafka on this machine: the jars of one lock in a folder of the cache.

`<cache>/kafka/<kafka version>-<digest of the lock>/libs/*.jar`. Invariant: a folder under that name was complete
and checked when it was renamed there; its name says what is in it, so clones, versions and locks never disturb each
other."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

from attrs import frozen

from penstock.kafka import lockfile, maven, versions
from penstock.kafka.cache import exclusive, open_to_all
from penstock.kafka.lockfile import Artifact
from penstock.kafka.maven import Progress, silent
from penstock.kafka.versions import Distribution

STORAGE_TOOL = "kafka.tools.StorageTool"


@frozen
class Installed:
    """One class path of one Kafka, complete in the cache. `digest` names its content."""

    distribution: Distribution
    digest: str
    libs: Path
    artifacts: tuple[Artifact, ...]

    @cached_property
    def jars(self) -> tuple[Path, ...]:
        """Every jar, sorted by name: archives are bound to the order (kafka.md 2.1)."""
        return tuple(sorted(self.libs / artifact.file for artifact in self.artifacts))

    def class_path(self, *ours: Path) -> str:
        """Kafka's jars, then ours: an archive survives what is appended and not what is put before."""
        return os.pathsep.join(str(jar) for jar in (*self.jars, *ours))

    def looks_complete(self) -> bool:
        """Is every jar there with its size and the fixed time? Cheap: no content is read."""
        for artifact in self.artifacts:
            try:
                status = (self.libs / artifact.file).stat()
            except FileNotFoundError:
                return False
            if (status.st_size, int(status.st_mtime)) != (artifact.size, maven.MTIME):
                return False
        return True

    def damaged(self) -> tuple[str, ...]:
        """Names of jars that are missing or hold other bytes than the lock; reads every file."""
        return tuple(a.file for a in self.artifacts if not maven.matches(a, self.libs / a.file))


def locate(version: str, cache: Path, wanted: str = lockfile.BROKER) -> Installed:
    """Where the class path of an MSK version belongs in the cache, there or not. KeyError: no such version."""
    distribution = versions.catalogue()[version]
    lock = lockfile.read(distribution.lock)
    digest = lock.digest(wanted)
    return Installed(distribution, digest, cache / "kafka" / f"{distribution.kafka}-{digest}" / "libs", lock.of(wanted))


def installed(version: str, cache: Path, wanted: str = lockfile.BROKER) -> Installed | None:
    """The class path of an MSK version where it is complete in the cache, else None. No network."""
    place = locate(version, cache, wanted)
    return place if place.looks_complete() else None


def install(
    version: str, cache: Path, mirror: str | None = None, progress: Progress = silent, wanted: str = lockfile.BROKER
) -> Installed:
    """Bring the class path of an MSK version into the cache. Instant where it is complete; repairs what is damaged.

    `mirror` is the setting maven_mirror. Raises FetchError (WrongFile where bytes differ from the lock)."""
    place = locate(version, cache, wanted)
    if not place.looks_complete():
        bring(place.artifacts, place.libs.parent, mirror, progress)
    return place


def bring(artifacts: tuple[Artifact, ...], folder: Path, mirror: str | None, progress: Progress) -> None:
    """Fetch the jars into `<folder>/libs` so that the folder appears under its name only once it is complete."""
    with exclusive(folder):
        if folder.is_dir():
            # Damaged after the fact. Files are replaced by renames: a running JVM keeps the bytes that it has open.
            maven.fetch(artifacts, folder / "libs", maven.repository(mirror), progress)
            return
        # Kept over an interruption, so that the next run fetches only what is missing.
        growing = folder.with_name(f"{folder.name}.growing")
        libs = growing / "libs"
        libs.mkdir(parents=True, exist_ok=True)
        for leftover in libs.glob(f"*{maven.PARTIAL}"):
            leftover.unlink()
        maven.fetch(artifacts, libs, maven.repository(mirror), progress)
        open_to_all(folder.parent, growing, libs)
        growing.replace(folder)
