"""Kafka's jars come from a fixed list, byte for byte, and never half."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from attrs import evolve, field, frozen

from penstock.kafka import distributions, lock, lockfile, maven, versions
from penstock.kafka.distributions import Installed
from penstock.kafka.lockfile import Artifact, Lock
from penstock.kafka.maven import FetchError, WrongFile


@frozen
class Repository:
    """A Maven repository on loopback: path -> content; requests are written down; `slow` paths never end."""

    url: str
    content: dict[str, bytes]
    asked: list[str] = field(factory=list)
    slow: set[str] = field(factory=set)
    cut: set[str] = field(factory=set)
    """Paths whose answer breaks off in the middle."""


@pytest.fixture
def repository() -> Iterator[Repository]:
    stop = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.removeprefix("/maven/")
            served.asked.append(path)
            content = served.content.get(path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            half = len(content) // 2
            self.wfile.write(content[:half])
            if path in served.slow:
                self.wfile.flush()
                stop.wait(30)
            elif path not in served.cut:
                self.wfile.write(content[half:])

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Repository(f"http://127.0.0.1:{server.server_port}/maven", {})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield served
    stop.set()
    server.shutdown()
    server.server_close()
    thread.join()


def artifact(name: str, content: bytes) -> Artifact:
    digest = hashlib.sha256(content).hexdigest()
    return Artifact("org.example", name, "1.0", "", digest, len(content), (lockfile.BROKER,))


@pytest.fixture
def jars(repository: Repository) -> tuple[Artifact, ...]:
    """Six jars that the repository has."""
    contents = {f"jar{n}": f"content of jar {n} ".encode() * 1000 for n in range(6)}
    made = tuple(artifact(name, content) for name, content in contents.items())
    repository.content.update({a.path: contents[a.name] for a in made})
    return made


def bring(jars: tuple[Artifact, ...], folder: Path, repository: Repository) -> None:
    distributions.bring(jars, folder, repository.url, maven.silent)


def present(folder: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_distribution_appears_whole_and_every_user_may_read_it(
    repository: Repository, jars: tuple[Artifact, ...], tmp_path: Path
) -> None:
    folder = tmp_path / "kafka" / "4.3.1-abc"
    shown: list[tuple[int, int]] = []
    umask = os.umask(0o077)
    try:
        distributions.bring(jars, folder, repository.url, lambda what, done, total: shown.append((done, total)))
    finally:
        os.umask(umask)
    assert present(folder) == {a.file: repository.content[a.path] for a in jars}
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in folder.rglob("*"))
    assert folder.stat().st_mode & 0o555 == 0o555
    assert {int(path.stat().st_mtime) for path in (folder / "libs").iterdir()} == {maven.MTIME}
    total = sum(a.size for a in jars)
    assert shown[-1] == (total, total)
    assert [done for done, _ in shown] == sorted(done for done, _ in shown)


def test_a_file_that_is_not_the_one_of_the_lock_is_fatal_and_not_kept(
    repository: Repository, jars: tuple[Artifact, ...], tmp_path: Path
) -> None:
    wrong = b"x" * jars[3].size
    repository.content[jars[3].path] = wrong
    folder = tmp_path / "kafka" / "4.3.1-abc"
    with pytest.raises(WrongFile) as told:
        bring(jars, folder, repository)
    for part in (jars[3].file, jars[3].sha256, hashlib.sha256(wrong).hexdigest(), "Nothing of it was kept"):
        assert part in str(told.value)
    assert not folder.exists()
    assert jars[3].file not in present(tmp_path)
    assert wrong not in present(tmp_path).values()


def test_an_endless_file_is_cut_off_at_the_size_of_the_lock(
    repository: Repository, jars: tuple[Artifact, ...], tmp_path: Path
) -> None:
    repository.content[jars[0].path] += b"more" * 1_000_000
    with pytest.raises(WrongFile, match=f"more than {jars[0].size} bytes"):
        maven.fetch(jars[:1], tmp_path, repository.url)
    assert present(tmp_path) == {}


def test_after_an_interruption_only_what_is_missing_is_fetched(
    repository: Repository, jars: tuple[Artifact, ...], tmp_path: Path
) -> None:
    folder = tmp_path / "kafka" / "4.3.1-abc"
    last = min(jars, key=lambda a: a.size)
    missing = repository.content.pop(last.path)
    with pytest.raises(FetchError, match=rf"{last.file} could not be fetched: .* answered 404"):
        bring(jars, folder, repository)
    assert not folder.exists()
    had = set(present(tmp_path)) - {f".{folder.name}.lock"}
    assert had < {a.file for a in jars}
    assert last.file not in had
    repository.content[last.path] = missing
    repository.asked.clear()
    bring(jars, folder, repository)
    assert {path.rpartition("/")[2] for path in repository.asked} == {a.file for a in jars} - had
    assert len(present(folder)) == len(jars)


def test_a_connection_that_breaks_off_is_tried_again_and_then_told(
    repository: Repository, jars: tuple[Artifact, ...], tmp_path: Path
) -> None:
    repository.cut.add(jars[0].path)
    with pytest.raises(FetchError, match=r"could not be fetched from http://127\.0\.0\.1.*Check the network"):
        maven.fetch(jars[:1], tmp_path, repository.url)
    assert len(repository.asked) == maven.ATTEMPTS
    assert present(tmp_path) == {}


KILLED = """
import sys
from pathlib import Path
from penstock.kafka import distributions, lockfile, maven
distributions.bring(lockfile.parse(sys.argv[1]).artifacts, Path(sys.argv[2]), sys.argv[3], maven.silent)
"""


def test_a_kill_in_the_middle_leaves_no_half_distribution(
    repository: Repository, jars: tuple[Artifact, ...], tmp_path: Path
) -> None:
    folder = tmp_path / "kafka" / "4.3.1-abc"
    repository.slow.add(jars[5].path)
    text = lockfile.render(jars, "test")
    process = subprocess.Popen([sys.executable, "-c", KILLED, text, str(folder), repository.url])
    try:
        done = {a.file for a in jars[:5]}
        until = time.monotonic() + 20
        while not (done <= set(present(tmp_path)) and jars[5].path in repository.asked):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not folder.exists()
    assert jars[5].file not in present(tmp_path)
    repository.slow.clear()
    repository.asked.clear()
    bring(jars, folder, repository)
    assert repository.asked == [jars[5].path]
    assert present(folder) == {a.file: repository.content[a.path] for a in jars}


def test_a_jar_that_was_damaged_later_is_found_and_fetched_again(
    repository: Repository, jars: tuple[Artifact, ...], tmp_path: Path
) -> None:
    folder = tmp_path / "kafka" / "4.3.1-abc"
    bring(jars, folder, repository)
    place = Installed(versions.newest(), "abc", folder / "libs", jars)
    assert place.looks_complete()
    assert place.damaged() == ()
    (folder / "libs" / jars[1].file).unlink()
    (folder / "libs" / jars[2].file).write_bytes(b"?" * jars[2].size)
    assert not place.looks_complete()
    assert place.damaged() == (jars[1].file, jars[2].file)
    repository.asked.clear()
    bring(jars, folder, repository)
    assert sorted(repository.asked) == [jars[1].path, jars[2].path]
    assert place.looks_complete()
    assert place.damaged() == ()


def test_a_complete_distribution_needs_no_network(
    repository: Repository, jars: tuple[Artifact, ...], tmp_path: Path
) -> None:
    bring(jars, tmp_path / "a", repository)
    repository.content.clear()
    repository.asked.clear()
    bring(jars, tmp_path / "a", repository)
    assert repository.asked == []


def test_a_password_in_the_mirrors_url_is_never_shown(
    repository: Repository, jars: tuple[Artifact, ...], tmp_path: Path
) -> None:
    repository.content.clear()
    with pytest.raises(FetchError) as told:
        maven.fetch(jars[:1], tmp_path, repository.url.replace("//", "//alice:secret@"))
    assert "secret" not in str(told.value)


SETTINGS = """<settings{namespace}><mirrors>
<mirror><id>other</id><mirrorOf>jboss</mirrorOf><url>http://other.example/</url></mirror>
<mirror><id>mine</id><mirrorOf>{of}</mirrorOf><url> http://mirror.example/maven/ </url></mirror>
</mirrors></settings>"""


@pytest.mark.parametrize("namespace", ["", ' xmlns="urn:settings:1.2.0"'])
@pytest.mark.parametrize(
    ("of", "used"),
    [
        ("central", True),
        ("*", True),
        ("external:*", True),
        ("jboss,central", True),
        ("*,!central", False),
        ("snapshots", False),
    ],
)
def test_the_mirror_in_mavens_settings_is_used(tmp_path: Path, namespace: str, of: str, used: bool) -> None:
    file = tmp_path / "settings.xml"
    file.write_text(SETTINGS.format(of=of, namespace=namespace))
    mirror = "http://mirror.example/maven"
    assert (maven.repository(None, file) == mirror) is used
    assert maven.repository("http://mine.example/", file) == "http://mine.example"
    assert maven.repository(None, tmp_path / "none.xml") == maven.MAVEN_CENTRAL_URL


def test_mavens_settings_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    file = tmp_path / "settings.xml"
    file.write_text("<settings><mirrors>")
    with pytest.raises(FetchError, match=r"settings\.xml cannot be read .*maven_mirror"):
        maven.repository(None, file)


def test_the_catalogue_offers_the_newest_patch_of_each_line() -> None:
    rows = versions.catalogue()
    assert {name: row.kafka for name, row in rows.items()} == {"4.1.x.kraft": "4.1.2", "4.3.x.kraft": "4.3.1"}
    assert versions.newest() is not None
    assert versions.newest().version == "4.3.x.kraft"
    older = rows["4.1.x.kraft"]
    assert (older.released, older.metadata_version, older.upgrades_to) == (date(2025, 10, 15), 27, ("4.3.x.kraft",))
    # kafka.md 2.2
    assert [name for name, _ in rows["4.3.x.kraft"].features] == [
        "metadata.version",
        "eligible.leader.replicas.version",
        "group.version",
        "share.version",
        "streams.version",
        "transaction.version",
    ]


@pytest.mark.parametrize("row", versions.catalogue().values(), ids=lambda row: row.kafka)
def test_every_lock_holds_one_kafka_with_its_logging(row: versions.Distribution) -> None:
    read = lockfile.read(row.lock)
    for wanted in lock.ROOTS:
        lock.check(wanted, [a.coordinate for a in read.of(wanted)], row.kafka)
    broker = {a.name for a in read.of(lockfile.BROKER)}
    assert {"log4j-slf4j-impl", "log4j-core", "log4j-api", "log4j-1.2-api"} <= broker
    assert "connect-runtime" not in broker
    assert "log4j-slf4j2-impl" not in broker
    assert 90 <= len(read.artifacts) <= 110
    assert sum(a.size for a in read.artifacts) > 50e6


def test_a_lock_of_mixed_versions_is_refused() -> None:
    row = versions.newest()
    coordinates = [a.coordinate for a in lockfile.read(row.lock).of(lockfile.BROKER)]
    mixed = [c.replace("kafka-clients:4.3.1", "kafka-clients:3.9.1") for c in coordinates]
    with pytest.raises(lock.LockError, match=r"kafka-clients:3\.9\.1 came into the broker class path of Kafka 4\.3\.1"):
        lock.check(lockfile.BROKER, mixed, row.kafka)
    with pytest.raises(lock.LockError, match="lacks log4j-core"):
        lock.check(lockfile.BROKER, [c for c in coordinates if ":log4j-core:" not in c], row.kafka)
    with pytest.raises(lock.LockError, match=r"two versions of org\.yaml:snakeyaml"):
        lock.check(lockfile.BROKER, [*coordinates, "org.yaml:snakeyaml:1.0"], row.kafka)
    with pytest.raises(lock.LockError, match=r"needs slf4j 1\.7"):
        lock.check(lockfile.BROKER, [c.replace("slf4j-api:1.7.36", "slf4j-api:2.0.0") for c in coordinates], row.kafka)


def test_a_lock_reads_back_as_it_was_written(jars: tuple[Artifact, ...]) -> None:
    extra = evolve(jars[0], classifier="tests", sets=("broker", "tools"))
    text = lockfile.render([*jars, extra], "title")
    assert lockfile.parse(text) == Lock(tuple(sorted([*jars, extra])))
    assert lockfile.render(reversed([*jars, extra]), "title") == text
    assert lockfile.parse(text).of("tools") == (extra,)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("a:b:1 " + "0" * 64 + " 1", "four fields"),
        ("a:b " + "0" * 64 + " 1 broker", "no Maven coordinate"),
        ("a:../b:1 " + "0" * 64 + " 1 broker", "no Maven coordinate"),
        ("a..b:c:1 " + "0" * 64 + " 1 broker", "no Maven coordinate"),
        ("a:b:1 " + "0" * 63 + " 1 broker", "sha256"),
        ("a:b:1 " + "0" * 64 + " -1 broker", "size"),
        ("a:b:1 " + "0" * 64 + " 1 brokers", "unknown class path"),
    ],
)
def test_a_line_that_is_no_lock_line_is_told_with_its_number(line: str, why: str) -> None:
    with pytest.raises(ValueError, match=rf"my\.lock, line 2: .*{why}"):
        lockfile.parse(f"# title\n{line}\n", "my.lock")


def test_two_jars_of_one_name_cannot_share_a_folder() -> None:
    with pytest.raises(ValueError, match=r"two jars of the same name: core-1\.jar"):
        lockfile.parse(f"a:core:1 {'0' * 64} 1 broker\nb:core:1 {'1' * 64} 1 broker\n")


def test_a_row_that_does_not_make_sense_is_told() -> None:
    row = """["9.x"]\nkafka = "9"\nmode = "kraft"\nstatus = "ACTIVE"\nreleased = 2030-01-01\nlock = "l"
metadata_version = 40\nfeatures = [["metadata.version", 40]]\nupgrades_to = []\njava = 17\n"""
    assert versions.parse(row)["9.x"].java == 17
    with pytest.raises(ValueError, match=r"must begin with metadata\.version 40"):
        versions.parse(row.replace('[["metadata.version", 40]]', "[]"))
    with pytest.raises(ValueError, match=r"9\.x lacks 'java'"):
        versions.parse(row.replace("java = 17", ""))
    with pytest.raises(ValueError, match=r"upgrades to 10\.x"):
        versions.parse(row.replace("upgrades_to = []", 'upgrades_to = ["10.x"]'))
