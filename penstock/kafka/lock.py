"""Makes the lock files: `python -m penstock.kafka.lock [KAFKA VERSION …]`, without names for all of the catalogue.

The only place where dependencies are resolved; nothing is resolved on a user's machine. Three class paths are resolved for
each Kafka (broker, connect, tools), so that a broker's class path, and with it its start-up archive, stays small."""

from __future__ import annotations

import hashlib
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from attrs import evolve
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import MavenContext
from jgo.parse import Coordinate, Endpoint

from penstock.kafka import lockfile, versions
from penstock.kafka.lockfile import Artifact

KAFKA_GROUP = "org.apache.kafka"
ROOTS: Mapping[str, tuple[str, ...]] = {
    lockfile.BROKER: ("kafka_2.13",),
    lockfile.CONNECT: (
        "connect-runtime",
        "connect-json",
        "connect-transforms",
        "connect-file",
        "connect-mirror",
        "connect-mirror-client",
        "connect-basic-auth-extension",
    ),
    lockfile.TOOLS: ("kafka_2.13", "kafka-tools"),
}
LOG4J = "2.25.5"
LOGGING = ("log4j-slf4j-impl", "log4j-core", "log4j-api", "log4j-1.2-api")
"""Kafka's POMs bring no logging back-end; it stays on slf4j 1.7, so not `log4j-slf4j2-impl` (kafka.md 1.2)."""
EXPECTED: Mapping[str, tuple[str, ...]] = {
    lockfile.BROKER: ("kafka_2.13", "kafka-clients", "kafka-metadata", "kafka-raft", "kafka-server", "log4j-core"),
    lockfile.CONNECT: ("connect-runtime", "connect-mirror", "kafka-clients", "log4j-core", "jersey-server"),
    lockfile.TOOLS: ("kafka-tools", "kafka-clients", "log4j-core"),
}
ECJ = "org.eclipse.jdt:ecj:3.46.0"
FOLDER = Path(__file__).parent / "locks"


class LockError(Exception):
    """The resolver's answer is not what it must be. The text is a sentence."""


def resolve(roots: Sequence[str], poms: Path) -> frozenset[str]:
    """Coordinates `group:artifact:version[:classifier]` of the roots and all that they need at run time."""
    context = MavenContext(repo_cache=poms, remote_repos={"central": MAVEN_CENTRAL_URL}, timeout=60)
    dependencies = [context.create_dependency(_compiled(item)) for item in Endpoint.parse("+".join(roots)).coordinates]
    inputs, transitive = context.resolver.resolve(dependencies)
    found = [*inputs, *(dependency for dependency in transitive if dependency.scope in ("compile", "runtime"))]
    return frozenset(":".join(p for p in (d.groupId, d.artifactId, d.version, d.classifier) if p) for d in found)


def kafka_class_paths(kafka: str, poms: Path) -> Mapping[str, frozenset[str]]:
    """The class paths of one Kafka version, checked against what is known of them."""
    # `!`: else the resolver takes log4j's parent for a BOM, and it manages kafka-clients 3.9.1 (kafka.md 1.2).
    logging = [f"org.apache.logging.log4j:{name}:{LOG4J}!" for name in LOGGING]
    paths = {}
    for wanted, names in ROOTS.items():
        paths[wanted] = resolve([*(f"{KAFKA_GROUP}:{name}:{kafka}" for name in names), *logging], poms)
        check(wanted, paths[wanted], kafka)
    return paths


def check(wanted: str, coordinates: Iterable[str], kafka: str) -> None:
    """LockError unless every jar of Kafka is of this version, every known part is there, and nothing is there twice."""
    found: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for coordinate in coordinates:
        group, name, version, *classifier = coordinate.split(":")
        found[group, name, *classifier].append(version)
        if group == KAFKA_GROUP and version != kafka:
            raise LockError(f"{coordinate} came into the {wanted} class path of Kafka {kafka}: versions are mixed")
        if group == "org.slf4j" and not version.startswith("1.7."):
            raise LockError(f"{coordinate} came into the {wanted} class path; Kafka {kafka} needs slf4j 1.7")
    twice = [":".join(key) for key, got in found.items() if len(got) > 1]
    if twice:
        raise LockError(f"the {wanted} class path of Kafka {kafka} has two versions of {', '.join(twice)}")
    names = {key[1] for key in found}
    missing = [name for name in EXPECTED[wanted] if name not in names]
    if missing:
        raise LockError(f"the {wanted} class path of Kafka {kafka} lacks {', '.join(missing)}")


def measure(class_paths: Mapping[str, Iterable[str]]) -> tuple[Artifact, ...]:
    """The jars with their sha256 and size, from the bytes themselves; the repository's own sha1 must agree."""
    sets: dict[str, list[str]] = defaultdict(list)
    for wanted, coordinates in class_paths.items():
        for coordinate in coordinates:
            sets[coordinate].append(wanted)
    with httpx.Client(follow_redirects=True, timeout=60) as session, ThreadPoolExecutor(8) as pool:
        return tuple(pool.map(lambda item: _measured(session, item[0], tuple(sorted(item[1]))), sorted(sets.items())))


def _measured(session: httpx.Client, coordinate: str, sets: tuple[str, ...]) -> Artifact:
    group, name, version, *classifier = coordinate.split(":")
    artifact = Artifact(group, name, version, "".join(classifier), "", 0, sets)
    jar = session.get(f"{MAVEN_CENTRAL_URL}/{artifact.path}").raise_for_status().content
    said = session.get(f"{MAVEN_CENTRAL_URL}/{artifact.path}.sha1").raise_for_status().text.split()[0]
    found = hashlib.sha1(jar, usedforsecurity=False).hexdigest()
    if said != found:
        raise LockError(f"{artifact.file}: the repository says sha1 {said} and sends {found}; try again later")
    return evolve(artifact, sha256=hashlib.sha256(jar).hexdigest(), size=len(jar))


def _compiled(coordinate: Coordinate) -> Coordinate:
    """A root without a scope is a compile-time dependency of the class path."""
    return coordinate if coordinate.scope else replace(coordinate, scope="compile")


def main(arguments: Sequence[str]) -> None:
    """Write the locks of the named Kafka versions, or of all and of the compiler."""
    rows = {row.kafka: row for row in versions.catalogue().values()}
    unknown = [name for name in arguments if name not in rows]
    if unknown:
        raise SystemExit(f"the catalogue has no Kafka {', '.join(unknown)}; it has {', '.join(rows)}")
    FOLDER.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="penstock-lock-") as poms:
        for kafka in arguments or rows:
            artifacts = measure(kafka_class_paths(kafka, Path(poms)))
            (FOLDER / rows[kafka].lock).write_text(lockfile.render(artifacts, f"Apache Kafka {kafka}"))
            print(f"{rows[kafka].lock}: {len(artifacts)} jars, {sum(a.size for a in artifacts) / 1e6:.1f} MB")
        if not arguments:
            compiler = measure({lockfile.BUILD: resolve([ECJ], Path(poms))})
            (FOLDER / lockfile.COMPILER).write_text(
                lockfile.render(compiler, "The Eclipse compiler for Java, for our own jar")
            )
            print(f"{lockfile.COMPILER}: {len(compiler)} jar")


if __name__ == "__main__":
    main(sys.argv[1:])
