"""Everything that runs a node of one version on this machine: Java, Kafka's jars, our jar, and the archives for all three."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from penstock.kafka import distributions, jvm, plugin, versions
from penstock.kafka.archives import Archives
from penstock.kafka.distributions import Installed
from penstock.kafka.java import Java, find_java
from penstock.kafka.maven import Progress, silent
from penstock.model.ids import Role


@frozen
class Runtime:
    """Invariant: every path lies where the user that nodes run as may read it, if the cache does."""

    java: Java
    kafka: Installed
    plugin: Path
    archives: Archives

    def command(
        self, role: Role, heap_mib: int, properties: str, extra: Sequence[str] = (), with_archive: bool = True
    ) -> tuple[str, ...]:
        """The command that runs one node; `properties` is the path of its server.properties.

        The archive is used where it is in force. It changes how fast a node starts and nothing else: no reason to
        restart one."""
        archive = self.archives.flags(role, heap_mib) if with_archive else ()
        class_path = self.kafka.class_path(self.plugin)
        return jvm.command(str(self.java.executable), role, heap_mib, class_path, properties, (*archive, *extra))


def prepare(
    version: str,
    cache: Path,
    *,
    java_home: Path | None = None,
    mirror: str | None = None,
    node_uid: int | None = None,
    archives: bool = False,
    progress: Progress = silent,
) -> Runtime:
    """Bring everything for an MSK version into the cache: instant where it is there, without network then.

    `java_home` and `mirror` are the settings of those names, `node_uid` is the user that nodes run as where it is not the
    caller. `archives=False` leaves them to a later `runtime.archives.make()`: a first create does not wait for them.
    Raises FetchError, JavaError, PluginError, ArchiveError; KeyError where the catalogue has no such version."""
    row = versions.catalogue()[version]
    cache.mkdir(parents=True, exist_ok=True)
    java = find_java(java_home, cache, node_uid, oldest=row.java)
    kafka = distributions.install(version, cache, mirror, progress)
    jar = plugin.place(plugin.ensure(java, cache, mirror, progress), cache)
    runtime = Runtime(java, kafka, jar, Archives(java, kafka, jar, cache))
    if archives:
        runtime.archives.make(progress)
    return runtime
