"""Start-up archives (AppCDS): the classes of a role, parsed and checked once, mapped into memory at every later start.

An archive is bound to Java's build, the class path (order, times and content of jars), the role and the flags; its name is
a digest of all of these. Java 21 takes a wrong one without a word (kafka.md 2.1), so each lies beside a manifest of what
it was made from. Invariant: `flags` names an archive only where its manifest still holds, and a manifest is only there for
an archive that was seen in use."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import field, frozen

from penstock.kafka import jvm
from penstock.kafka.cache import exclusive, open_to_all, publish, sync
from penstock.kafka.distributions import Installed
from penstock.kafka.java import Java
from penstock.kafka.maven import Progress, silent
from penstock.kafka.rehearsal import HEAP_MIB, RehearsalError, rehearsal
from penstock.model.ids import Role

IN_USE = 1000
"""Classes that must come from an archive for it to be in force; a proper one gives about 1700 (kafka.md 2.1)."""
LARGEST_HEAP_MIB = 32 * 1024
"""From 32 GB on Java maps neither archive."""
_FROM_ARCHIVE = "source: shared objects file (top)"


class ArchiveError(Exception):
    """An archive could not be made. Nodes start without it, only slower. The text is a sentence."""


@frozen
class State:
    """What `doctor` says of one archive."""

    in_force: bool
    sentence: str


@frozen
class Archives:
    """The archives of one Kafka on one Java with one build of our jar, in the cache."""

    java: Java
    kafka: Installed
    plugin: Path
    cache: Path
    _identity: str = field(init=False)

    @_identity.default
    def _digest(self) -> str:
        bound = [self.java.build, self.kafka.digest, str(self.kafka.libs), str(self.plugin), _sha256(self.plugin)]
        return hashlib.sha256("\n".join([*bound, *map(str, sorted(jvm.TUNING.items()))]).encode()).hexdigest()[:12]

    @property
    def folder(self) -> Path:
        return self.cache / "archives"

    def path(self, role: Role) -> Path:
        """Where the archive of the role belongs, made or not."""
        return self.folder / f"{role}-{self.kafka.distribution.kafka}-{self._identity}.jsa"

    @property
    def base(self) -> Path | None:
        """The archive of the JDK's own classes, where this Java brings none of its own and ours is needed."""
        return None if self.java.has_base_archive else self.folder / f"base-{self.java.build}.jsa"

    def flags(self, role: Role, heap_mib: int) -> tuple[str, ...]:
        """The Java flags that use the archive; empty where none may be used. Cheap: looks at sizes and times only."""
        if heap_mib >= LARGEST_HEAP_MIB or self.objection(role) is not None:
            return ()
        return self._use(self.path(role))

    def objection(self, role: Role) -> str | None:
        """Why the archive of the role may not be used, or None: it is there and every jar is as it was."""
        try:
            manifest = json.loads(self._manifest(role).read_text())
        except FileNotFoundError:
            return "not made yet"
        for path, (size, mtime_ns) in manifest["stat"].items():
            try:
                status = os.stat(path)
            except FileNotFoundError:
                return f"refused because {os.path.basename(path)} is gone"
            if (status.st_size, status.st_mtime_ns) != (size, mtime_ns):
                return f"refused because {os.path.basename(path)} has changed since it was made"
        return None

    def state(self, role: Role) -> State:
        """Whether a node of the role would start with its archive, tried on a real Java: 0.3 s."""
        name = f"the start-up archive of {role}s for Kafka {self.kafka.distribution.kafka}"
        objection = self.objection(role)
        if objection is not None:
            return State(False, f"{name} is {objection}: nodes start slower until it is made")
        count = self.classes_from(self.path(role), role)
        if count < IN_USE:
            return State(False, f"{name} is refused because Java took only {count} classes from it: nodes start slower")
        return State(True, f"{name} is in force: {count} classes")

    def complete(self) -> bool:
        return all(self.objection(role) is None for role in Role)

    def make(self, progress: Progress = silent) -> None:
        """Make what is missing or refused: both roles in one rehearsal of some 15 s. Of two processes, one makes them.

        Raises ArchiveError; nodes then start without archives."""
        with exclusive(self.folder / self._identity):
            if self.complete():
                return
            open_to_all(self.folder)
            progress("make start-up archives", 0, 3)
            self._make_base()
            growing = self.folder / f"{self._identity}.growing"
            shutil.rmtree(growing, ignore_errors=True)
            growing.mkdir()
            try:
                self._record(growing, progress)
            except RehearsalError as error:
                raise ArchiveError(f"start-up archives could not be made: {error}") from error
            finally:
                shutil.rmtree(growing, ignore_errors=True)

    def classes_from(self, archive: Path, role: Role) -> int:
        """How many classes a Java of this role takes from the archive when it loads Kafka's main class."""
        command = [str(self.java.executable), *jvm.flags(role, HEAP_MIB), *self._use(archive), "-Xlog:class+load"]
        command += ["-cp", self.kafka.class_path(self.plugin), jvm.MAIN_CLASS]
        # Without arguments it prints its usage and ends.
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return ran.stdout.count(_FROM_ARCHIVE)

    def _record(self, growing: Path, progress: Progress) -> None:
        # Before: a jar that changes meanwhile then does not match, and the archive is refused.
        stat = _stat((*self.kafka.jars, self.plugin))
        below = () if self.base is None else (f"-XX:SharedArchiveFile={self.base}",)
        drafts = {role: growing / f"{role}.jsa" for role in Role}
        record = {role: (*below, f"-XX:ArchiveClassesAtExit={draft}") for role, draft in drafts.items()}
        with rehearsal(self.java, self.kafka, self.plugin, growing / "nodes", record) as show:
            progress("make start-up archives", 1, 3)
            show.use()
        progress("make start-up archives", 2, 3)
        for role, draft in drafts.items():
            count = self.classes_from(draft, role) if draft.is_file() else 0
            if count < IN_USE:
                raise ArchiveError(
                    f"the new start-up archive of {role}s is not used by {self.java.home} ({count} classes come from it): "
                    "nodes start without it; another Java (setting java_home) may do better"
                )
            self._put(role, draft, stat, count)
        progress("make start-up archives", 3, 3)

    def _put(self, role: Role, draft: Path, stat: Mapping[str, Sequence[int]], count: int) -> None:
        """The archive under its name, then the manifest that makes it count."""
        target, manifest = self.path(role), self._manifest(role)
        manifest.unlink(missing_ok=True)
        draft.chmod(0o644)
        sync(draft)
        draft.replace(target)
        bound = [target, *([self.base] if self.base else [])]
        content: dict[str, Any] = {
            "java": self.java.build,
            "kafka": self.kafka.distribution.kafka,
            "role": str(role),
            "flags": jvm.TUNING[role],
            "classes": count,
            "sha256": {a.file: a.sha256 for a in self.kafka.artifacts} | {self.plugin.name: _sha256(self.plugin)},
            "stat": {**stat, **_stat(bound)},
        }
        publish(manifest, json.dumps(content, indent=1).encode())

    def _make_base(self) -> None:
        if self.base is None or self.base.is_file():
            return
        with exclusive(self.base):
            growing = self.base.with_suffix(f".{os.getpid()}.part")
            command = [
                str(self.java.executable),
                "-XX:+UseSerialGC",
                f"-XX:SharedArchiveFile={growing}",
                "-Xshare:dump",
            ]
            ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
            if ran.returncode != 0 or not growing.is_file():
                growing.unlink(missing_ok=True)
                said = (ran.stdout + ran.stderr).strip()[-500:]
                raise ArchiveError(f"{self.java.home} could not write its base archive into {self.folder}: {said}")
            growing.chmod(0o644)
            growing.replace(self.base)

    def _manifest(self, role: Role) -> Path:
        return self.path(role).with_suffix(".json")

    def _use(self, archive: Path) -> tuple[str, ...]:
        layers = str(archive) if self.base is None else f"{self.base}{os.pathsep}{archive}"
        return (f"-XX:SharedArchiveFile={layers}",)


def _stat(paths: Sequence[Path]) -> Mapping[str, Sequence[int]]:
    return {str(path): [(status := path.stat()).st_size, status.st_mtime_ns] for path in paths}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
