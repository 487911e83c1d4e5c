"""Lock files: which jars make up a Kafka, byte for byte. Pure; made by `penstock.kafka.lock`, read when jars are wanted.

A line is `group:artifact:version[:classifier] sha256 size sets`; lines are sorted, `#` begins a comment. `sets` names
the class paths that the jar stands on, joined by commas: `broker` (brokers and controllers), `connect`, `tools`,
`build`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from importlib.resources import files

from attrs import frozen

BROKER = "broker"
CONNECT = "connect"
TOOLS = "tools"
BUILD = "build"
SETS = (BROKER, BUILD, CONNECT, TOOLS)
COMPILER = "ecj.lock"
"""The lock file of the compiler for our own jar."""

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@frozen(order=True)
class Artifact:
    """One jar: Maven coordinate, sha256 in hexadecimal, size in bytes, and the class paths that it stands on."""

    group: str
    name: str
    version: str
    classifier: str
    sha256: str
    size: int
    sets: tuple[str, ...]

    @property
    def coordinate(self) -> str:
        return ":".join(part for part in (self.group, self.name, self.version, self.classifier) if part)

    @property
    def file(self) -> str:
        """The jar's own name, unique in a lock."""
        return "-".join(part for part in (self.name, self.version, self.classifier) if part) + ".jar"

    @property
    def path(self) -> str:
        """Where the jar lies in a Maven repository, relative to its root."""
        return f"{self.group.replace('.', '/')}/{self.name}/{self.version}/{self.file}"

    def __str__(self) -> str:
        return f"{self.coordinate} {self.sha256} {self.size} {','.join(self.sets)}"


@frozen
class Lock:
    """The jars of one lock file, sorted by coordinate."""

    artifacts: tuple[Artifact, ...]

    def of(self, wanted: str) -> tuple[Artifact, ...]:
        """The jars of one class path."""
        return tuple(artifact for artifact in self.artifacts if wanted in artifact.sets)

    def digest(self, wanted: str) -> str:
        """12 hexadecimal digits that name the content of one class path, whatever else is in the lock."""
        lines = "\n".join(f"{a.coordinate} {a.sha256}" for a in self.of(wanted))
        return hashlib.sha256(lines.encode()).hexdigest()[:12]


def read(name: str) -> Lock:
    """The lock file of that name in the package."""
    return parse(files(__package__).joinpath("locks", name).read_text(encoding="utf-8"), name)


def parse(text: str, name: str = "lock") -> Lock:
    """The lock in the text. ValueError names the file, the line and what is wrong with it."""
    artifacts = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            artifacts.append(_artifact(line))
        except ValueError as error:
            raise ValueError(f"{name}, line {number}: {error}; make it again with `make lock`") from error
    names = [artifact.file for artifact in artifacts]
    twice = sorted({file for file in names if names.count(file) > 1})
    if twice:
        raise ValueError(f"{name} has two jars of the same name: {', '.join(twice)}")
    return Lock(tuple(sorted(artifacts)))


def render(artifacts: Iterable[Artifact], title: str) -> str:
    """The text of a lock file; the same jars give the same bytes."""
    lines = "\n".join(str(artifact) for artifact in sorted(artifacts))
    legend = "# group:artifact:version[:classifier] sha256 size class-paths; made by `make lock`, not by hand"
    return f"# {title}\n{legend}\n{lines}\n"


def _artifact(line: str) -> Artifact:
    match line.split():
        case [coordinate, sha256, size, sets]:
            parts = coordinate.split(":")
        case _:
            raise ValueError("a line has four fields: coordinate, sha256, size, class paths")
    # Parts become file names and URLs: nothing that could leave the folder passes.
    if len(parts) not in (3, 4) or not all(_PART.fullmatch(part) and ".." not in part for part in parts):
        raise ValueError(f"{coordinate!r} is no Maven coordinate")
    if not _SHA256.fullmatch(sha256) or not size.isdigit():
        raise ValueError(f"{coordinate} lacks a proper sha256 or size")
    chosen = tuple(sets.split(","))
    if any(item not in SETS for item in chosen):
        raise ValueError(f"{sets!r} names an unknown class path; known are {', '.join(SETS)}")
    group, name, version, *classifier = parts
    return Artifact(group, name, version, "".join(classifier), sha256, int(size), chosen)
