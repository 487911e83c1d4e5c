"""Our jar on every broker and controller: the authorizer in `broker-plugin/`, compiled and packed without a JDK.

The jar lies beside this file: made when the project is installed from a checkout, shipped in the wheel. Invariant: the
same sources, compiler and Kafka give the same bytes, and its manifest names the digest of the sources that it was made
from."""

from __future__ import annotations

import hashlib
import os
import subprocess
import zipfile
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from penstock.kafka import distributions, lockfile, maven, versions
from penstock.kafka.cache import open_to_all, publish
from penstock.kafka.java import Java
from penstock.kafka.maven import Progress, silent

AUTHORIZER = "penstock.Authorizer"
"""Value of `authorizer.class.name`."""
FILE = "penstock-broker.jar"
SHIPPED = Path(__file__).parent / FILE
SOURCES = Path(__file__).parents[3] / "broker-plugin" / "src"
"""In a checkout; an installed wheel has none, and needs none."""
RELEASE = 17
"""Java release of the class files: the oldest that runs Kafka 4."""
_EPOCH = (2000, 1, 1, 0, 0, 0)
_MARK = "Penstock-Sources: "


class PluginError(Exception):
    """Our jar could not be made. The text is a sentence: what, why, what to do."""


def current() -> bool:
    """Is the jar there, and made from the sources beside it, where there are any?"""
    return SHIPPED.is_file() and (not SOURCES.is_dir() or made_from(SHIPPED) == digest(SOURCES))


def ensure(java: Java, cache: Path, mirror: str | None = None, progress: Progress = silent) -> Path:
    """The jar beside this file, made now where it is missing or older than its sources.

    Raises PluginError, FetchError."""
    if current():
        return SHIPPED
    if not SOURCES.is_dir():
        raise PluginError(f"{SHIPPED} is missing and there are no sources to make it from: install Penstock again")
    progress("compile the broker plugin", 0, 1)
    # Against the oldest Kafka on offer: what it has, the newer ones have.
    oldest = next(iter(versions.catalogue()))
    libraries = distributions.install(oldest, cache, mirror, progress).jars
    content = build(java, SOURCES, libraries, compiler(cache, mirror, progress))
    publish(SHIPPED, content)
    progress("compile the broker plugin", 1, 1)
    return SHIPPED


def place(jar: Path, cache: Path) -> Path:
    """The jar in the cache, at a path that its content names and with a fixed time: what archives are bound to."""
    content = jar.read_bytes()
    target = cache / "plugin" / hashlib.sha256(content).hexdigest()[:12] / FILE
    if not target.is_file() or target.read_bytes() != content or int(target.stat().st_mtime) != maven.MTIME:
        target.parent.mkdir(parents=True, exist_ok=True)
        open_to_all(target.parent.parent, target.parent)
        publish(target, content, maven.MTIME)
    return target


def compiler(cache: Path, mirror: str | None = None, progress: Progress = silent) -> Path:
    """The Eclipse compiler for Java, in the cache. Raises FetchError."""
    (artifact,) = lockfile.read(lockfile.COMPILER).artifacts
    folder = cache / "build" / f"ecj-{artifact.version}"
    if not maven.matches(artifact, folder / "libs" / artifact.file):
        distributions.bring((artifact,), folder, mirror, progress)
    return folder / "libs" / artifact.file


def build(java: Java, sources: Path, libraries: tuple[Path, ...], compiler: Path) -> bytes:
    """The bytes of the jar. PluginError carries what the compiler said."""
    with TemporaryDirectory(prefix="penstock-plugin-") as scratch:
        classes = Path(scratch) / "classes"
        command: list[object] = [java.executable, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-jar", compiler]
        # Not --release: it needs a file that a JRE lacks (kafka.md 1.2).
        command += ["-source", RELEASE, "-target", RELEASE, "-proc:none", "-encoding", "UTF-8", "-d", classes]
        command += ["-cp", os.pathsep.join(map(str, libraries)), *sorted(sources.rglob("*.java"))]
        line = [str(part) for part in command]
        ran = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
        if ran.returncode != 0:
            raise PluginError(f"the broker plugin in {sources} does not compile:\n{(ran.stderr + ran.stdout).strip()}")
        return pack(classes, digest(sources))


def pack(classes: Path, sources_digest: str) -> bytes:
    """A jar of the folder's class files: sorted, with fixed dates and modes, so that equal classes give equal bytes."""
    manifest = f"Manifest-Version: 1.0\r\n{_MARK}{sources_digest}\r\n\r\n"
    entries = [("META-INF/MANIFEST.MF", manifest.encode())]
    entries += sorted((path.relative_to(classes).as_posix(), path.read_bytes()) for path in classes.rglob("*.class"))
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as jar:
        for name, content in entries:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            jar.writestr(entry, content)
    return buffer.getvalue()


def digest(sources: Path) -> str:
    """16 hexadecimal digits over the names and contents of the Java sources."""
    found = hashlib.sha256()
    for path in sorted(sources.rglob("*.java")):
        content = path.read_bytes()
        found.update(f"{path.relative_to(sources).as_posix()} {len(content)}\n".encode())
        found.update(content)
    return found.hexdigest()[:16]


def made_from(jar: Path) -> str | None:
    """The digest of the sources that the jar was made from; None where it does not say."""
    try:
        with zipfile.ZipFile(jar) as opened:
            lines = opened.read("META-INF/MANIFEST.MF").decode().splitlines()
    except (KeyError, zipfile.BadZipFile):
        return None
    return next((line.removeprefix(_MARK) for line in lines if line.startswith(_MARK)), None)
