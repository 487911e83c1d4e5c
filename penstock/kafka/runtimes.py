"""The Kafka versions of one home, each brought here when a cluster first asks for it.

Invariant: `get` never waits for a network. What is not there yet is being brought by one thread, and NotPrepared says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from penstock.kafka import distributions, plugin, runtime
from penstock.kafka.archives import ArchiveError
from penstock.kafka.java import JavaError
from penstock.kafka.maven import FetchError, Progress, silent
from penstock.kafka.runtime import Runtime

log = structlog.get_logger(__name__)

RETRY_SECONDS = 30.0
"""How long a failure to bring a version stands before it is tried again."""
ARCHIVES_AFTER_SECONDS = 60.0
"""How long after a version's first use its missing archives are made: the first create shares its cores with nobody."""


class NotPrepared(Exception):
    """A version cannot run here yet. `hopeless`: nothing is under way that would change it soon."""

    def __init__(self, sentence: str, *, hopeless: bool = False) -> None:
        super().__init__(sentence)
        self.hopeless = hopeless


class Runtimes:
    """Every version that runs here, or should.

    `node_uid` is the user that nodes run as where that is not ours; `bring` False only looks at what is here."""

    def __init__(
        self,
        cache: Path,
        *,
        mirror: str | None,
        java_home: Path | None,
        node_uid: int | None,
        archives: bool,
        bring: bool = True,
    ) -> None:
        self._cache = cache
        self._mirror = mirror
        self._java_home = java_home
        self._node_uid = node_uid
        self._archives = archives
        self._may_bring = bring
        self._changed: Callable[[], None] = lambda: None
        self._ready: dict[str, Runtime] = {}
        self._failed: dict[str, tuple[str, float]] = {}
        self._bringing: set[str] = set()
        self._lock = threading.Lock()

    def on_change(self, changed: Callable[[], None]) -> None:
        """Call `changed` whenever a version became ready, or failed to."""
        self._changed = changed

    def get(self, version: str) -> Runtime:
        """The version, ready to run. Raises NotPrepared while it is brought, and with the cause when that failed."""
        with self._lock:
            if version in self._ready:
                return self._ready[version]
            sentence, at = self._failed.get(version, ("", -RETRY_SECONDS))
            if time.monotonic() - at < RETRY_SECONDS:
                raise NotPrepared(sentence, hopeless=True)
            if self._is_here(version):
                if (failure := self._keep(version)) is None:
                    return self._ready[version]
                raise NotPrepared(failure, hopeless=True)
            if not self._may_bring:
                raise NotPrepared(f"Apache Kafka for {version} is not on this machine yet")
            if version not in self._bringing:
                self._bringing.add(version)
                threading.Thread(target=self._bring, args=(version,), name=f"bring {version}", daemon=True).start()
        raise NotPrepared(f"Apache Kafka for {version} is being fetched to {self._cache}")

    def prepare(self, version: str, progress: Progress = silent) -> Runtime:
        """Bring the version now. Raises FetchError, JavaError, PluginError."""
        return runtime.prepare(
            version,
            self._cache,
            java_home=self._java_home,
            mirror=self._mirror,
            node_uid=self._node_uid,
            progress=progress,
        )

    def _is_here(self, version: str) -> bool:
        return distributions.installed(version, self._cache) is not None and plugin.current()

    def _keep(self, version: str) -> str | None:
        """Prepare the version and keep it, or the reason why it cannot run here."""
        try:
            ready = self.prepare(version)
        except (FetchError, JavaError, plugin.PluginError, OSError) as error:
            self._failed[version] = (f"Apache Kafka for {version} cannot run here: {error}", time.monotonic())
            return self._failed[version][0]
        self._ready[version] = ready
        if self._archives and self._may_bring and not ready.archives.complete():
            timer = threading.Timer(ARCHIVES_AFTER_SECONDS, _make_archives, args=(ready,))
            timer.daemon = True
            timer.start()
        return None

    def _bring(self, version: str) -> None:
        self._keep(version)
        with self._lock:
            self._bringing.discard(version)
        self._changed()


def _make_archives(ready: Runtime) -> None:
    try:
        ready.archives.make()
    except ArchiveError as error:
        log.warning(str(error))
