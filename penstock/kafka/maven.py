"""Fetching the jars of a lock from a Maven repository: one HTTP session, a few threads, every byte checked.

Invariant: a file that stands under its own name in the target folder was complete and had the sha256 of the lock when
it was renamed there; so a kill never leaves a half file under a real name, and a second run fetches what is missing."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from xml.etree import ElementTree

import httpx
from jgo.constants import MAVEN_CENTRAL_URL

from penstock.kafka.cache import sync
from penstock.kafka.lockfile import Artifact

THREADS = 8
ATTEMPTS = 3
MTIME = 946_684_800
"""Every jar's modification time, 2000-01-01T00:00:00Z: start-up archives are bound to it (kafka.md 2.1)."""
PARTIAL = ".part"

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is; bytes when fetching. Never by two
threads at once."""


class FetchError(Exception):
    """A jar could not be had as the lock has it. The text is a sentence: what, why, what to do."""


class WrongFile(FetchError):
    """The repository sent other bytes than the lock holds. Never retried, never kept."""


def silent(what: str, done: int, total: int) -> None:
    """The progress that shows nothing."""


def repository(setting: str | None, settings_xml: Path | None = None) -> str:
    """URL of the repository to fetch from: the setting, the mirror in Maven's own settings, or the resolver's default.

    `settings_xml` defaults to `~/.m2/settings.xml`. FetchError where that file cannot be read as XML."""
    if setting:
        return setting.rstrip("/")
    found = settings_xml if settings_xml is not None else Path.home() / ".m2" / "settings.xml"
    return (mirror(found) or str(MAVEN_CENTRAL_URL)).rstrip("/")


def mirror(settings_xml: Path) -> str | None:
    """URL of the first mirror in Maven's settings that stands for the central repository; None where there is none."""
    try:
        # The user's own configuration file: no more to be feared than the settings themselves.
        root = ElementTree.fromstring(settings_xml.read_bytes())  # noqa: S314
    except FileNotFoundError:
        return None
    except (ElementTree.ParseError, OSError) as error:
        raise FetchError(
            f"{settings_xml} cannot be read ({error}), so a mirror in it would be missed: "
            "repair it, or name the repository in the setting maven_mirror"
        ) from error
    for element in root.iter():
        if _tag(element) == "mirror":
            members = {_tag(child): (child.text or "").strip() for child in element}
            if _mirrors_central(members.get("mirrorOf", "")) and members.get("url"):
                return members["url"]
    return None


def fetch(artifacts: Iterable[Artifact], into: Path, repository: str, progress: Progress = silent) -> tuple[Path, ...]:
    """Bring every artifact into the folder; the paths come back sorted by name.

    Present files are checked and kept. Raises WrongFile, FetchError; what is complete by then stays for the next run."""
    wanted = sorted(artifacts, key=lambda artifact: artifact.file)
    into.mkdir(parents=True, exist_ok=True)
    missing = [artifact for artifact in wanted if not matches(artifact, into / artifact.file)]
    if missing:
        _fetch_all(missing, into, repository, progress)
        sync(into)
    return tuple(into / artifact.file for artifact in wanted)


def matches(artifact: Artifact, path: Path) -> bool:
    """Is the file there, with the size and sha256 of the lock?"""
    try:
        if path.stat().st_size != artifact.size:
            return False
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != artifact.sha256:
                return False
    except FileNotFoundError:
        return False
    os.utime(path, (MTIME, MTIME))
    return True


def _fetch_all(missing: Sequence[Artifact], into: Path, repository: str, progress: Progress) -> None:
    total = sum(artifact.size for artifact in missing)
    done = 0
    lock, stop = threading.Lock(), threading.Event()

    def count(name: str, size: int) -> None:
        nonlocal done
        with lock:
            done += size
            progress(f"fetch {name}", done, total)

    with (
        httpx.Client(follow_redirects=True, timeout=httpx.Timeout(30, connect=20)) as session,
        ThreadPoolExecutor(min(THREADS, len(missing)), thread_name_prefix="fetch") as pool,
    ):
        # Large files first: the last thread then does not end long after the others.
        ordered = sorted(missing, key=lambda artifact: -artifact.size)
        tasks = [
            pool.submit(_fetch_one, session, repository, artifact, into=into, count=count, stop=stop)
            for artifact in ordered
        ]
        try:
            finished, _ = wait(tasks, return_when=FIRST_EXCEPTION)
        finally:
            stop.set()
            for task in tasks:
                task.cancel()
        for task in finished:
            task.result()


def _fetch_one(
    session: httpx.Client,
    repository: str,
    artifact: Artifact,
    *,
    into: Path,
    count: Callable[[str, int], None],
    stop: threading.Event,
) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        received = 0
        partial = into / f"{artifact.file}.{os.getpid()}{PARTIAL}"
        try:
            with partial.open("wb") as file, session.stream("GET", f"{repository}/{artifact.path}") as response:
                _check_status(response, artifact, repository)
                digest = hashlib.sha256()
                for chunk in response.iter_bytes():
                    if stop.is_set():
                        return
                    received += len(chunk)
                    if received > artifact.size:
                        raise _wrong(artifact, repository, f"more than {artifact.size} bytes")
                    digest.update(chunk)
                    file.write(chunk)
                    count(artifact.file, len(chunk))
                file.flush()
                os.fsync(file.fileno())
            if (received, digest.hexdigest()) != (artifact.size, artifact.sha256):
                raise _wrong(artifact, repository, f"sha256 {digest.hexdigest()} of {received} bytes")
            partial.chmod(0o644)
            os.utime(partial, (MTIME, MTIME))
            partial.replace(into / artifact.file)
        except httpx.TransportError as error:
            count(artifact.file, -received)
            if attempt == ATTEMPTS:
                raise FetchError(
                    f"{artifact.file} could not be fetched from {public(repository)}: {type(error).__name__}, {error}. "
                    "Check the network, or name a Maven repository that can be reached in the setting maven_mirror; "
                    "what was fetched so far is kept"
                ) from error
        else:
            return
        finally:
            partial.unlink(missing_ok=True)


def _check_status(response: httpx.Response, artifact: Artifact, repository: str) -> None:
    if response.status_code != httpx.codes.OK:
        raise FetchError(
            f"{artifact.file} could not be fetched: {public(repository)} answered {response.status_code} for "
            f"{artifact.path}. Name a Maven repository that has it in the setting maven_mirror"
        )


def _wrong(artifact: Artifact, repository: str, found: str) -> WrongFile:
    return WrongFile(
        f"{artifact.file} from {public(repository)} is not the file that the lock names: expected sha256 "
        f"{artifact.sha256} of {artifact.size} bytes, found {found}. Nothing of it was kept. A proxy or mirror that changes "
        "files is the likely cause: name another Maven repository in the setting maven_mirror"
    )


def public(url: str) -> str:
    """The URL without a user and password, fit for messages."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _tag(element: ElementTree.Element) -> str:
    """Maven writes its settings with a namespace or without one."""
    return element.tag.rpartition("}")[2]


def _mirrors_central(mirror_of: str) -> bool:
    names = [name.strip() for name in mirror_of.split(",")]
    return "!central" not in names and any(name in ("central", "*", "external:*") for name in names)
