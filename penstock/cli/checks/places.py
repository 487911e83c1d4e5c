"""The folders that a home needs: room, file system, encryption, and whether the nodes' user gets there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from penstock.app import node_user, premises, put_aside
from penstock.cli.checks.finding import Finding, State, Visit
from penstock.control.cluster.fullness import warning
from penstock.kafka.distributions import installed, locate
from penstock.kafka.java import JavaError, find_java, reachable
from penstock.kafka.versions import newest
from penstock.model.quarantine import Quarantined
from penstock.model.volume import VolumeKind, VolumeUse, in_words
from penstock.settings import VolumeChoice

MIB = 1 << 20
CLUSTER_MIB = 512
"""What a new cluster of 3 + 3 may come to before anyone writes to it: logs, indexes, metadata."""
COMFORT_MIB = 5 * 1024
ARCHIVES_MIB = 120
"""Two start-up archives of one version with the base archive below them (kafka.md 2.1)."""
FLEETING = ("tmpfs", "ramfs")
REMOTE = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs", "afs")
LAYERED = ("overlay", "aufs")


def standing(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists. Raises PermissionError where that cannot be seen."""
    path = path.absolute()
    return next(step for step in (path, *path.parents) if step.exists())


def disk(visit: Visit) -> Iterator[Finding]:
    version = newest().version
    here = installed(version, visit.settings.cache) is not None
    fetched = 0 if here else sum(a.size for a in locate(version, visit.settings.cache).artifacts) // MIB + ARCHIVES_MIB
    yield from _room("home", visit.settings.home, CLUSTER_MIB, COMFORT_MIB, "PENSTOCK_HOME", visit)
    yield from _room("cache", visit.settings.cache, fetched, fetched, "PENSTOCK_CACHE", visit)


def _room(name: str, path: Path, least: int, comfort: int, setting: str, visit: Visit) -> Iterator[Finding]:
    ground = standing(path)
    if not ground.is_dir():
        yield Finding(name, State.WRONG, f"{ground} is no folder.", f"Move it away, or choose another with {setting}.")
        return
    if not os.access(ground, os.W_OK | os.X_OK):
        # A cache that is complete need not be written to.
        harmless = name == "cache" and not least
        state = State.WARNING if harmless else State.WRONG
        yield Finding(
            name,
            state,
            f"This user may not write to {ground}.",
            f"Give it to this user, or choose another with {setting}.",
        )
        return
    facts = psutil.disk_usage(str(ground))
    yield room(name, path, facts.free // MIB, least, comfort, setting, has_clusters=visit.clusters > 0)


def room(
    name: str, path: Path, free: int, least: int, comfort: int, setting: str, *, has_clusters: bool = False
) -> Finding:
    """Free MiB on the disk of a folder against the least that is needed, and what is comfortable."""
    said = f"{path} has {free} MiB free"
    fix = f"Free some space there, or choose another disk with {setting}."
    if free < least:
        state = State.WARNING if has_clusters and name == "home" else State.WRONG
        return Finding(name, state, f"{said}, and {least} MiB are needed.", fix)
    if free < comfort:
        return Finding(name, State.WARNING, f"{said}, which records fill soon.", fix)
    return Finding(name, State.OK, f"{said}.")


def volumes(visit: Visit) -> Iterator[Finding]:
    ground = standing(visit.settings.home)
    yield laid_on(file_system(ground, _mounts()), visit.settings.home / "volumes")
    free = psutil.disk_usage(str(ground)).free
    seen = premises(visit.settings)
    for laid in seen.volumes:
        yield promised(laid.kind, laid.count, laid.promised, laid.taken, free)
    for node, use in seen.uses:
        yield from ailing(node, use)


def quarantine(visit: Visit) -> Iterator[Finding]:
    yield kept(put_aside(visit.settings))


def kept(found: Sequence[Quarantined]) -> Finding:
    """What lies in quarantine, and what of it a person has to judge."""
    if not found:
        return Finding("quarantine", State.OK, "Nothing lies in quarantine.")
    unknown = sum(volume.occupied is None for volume in found)
    more = f", and {unknown} of them could not be measured" if unknown else ""
    taken = in_words(sum(volume.occupied or 0 for volume in found))
    said = f"{len(found)} volume{'' if len(found) == 1 else 's'} in quarantine, {taken} on the disk{more}"
    doubtful = sum(not volume.worthless for volume in found)
    if not doubtful:
        return Finding("quarantine", State.OK, f"{said}: what brokers left that left their cluster.")
    fix = "`penstock quarantine` says why each lies there: put back what is missed, remove what nobody needs."
    return Finding("quarantine", State.WARNING, f"{said}; {doubtful} of them in doubt, which stay.", fix)


def file_system(path: Path, mounts: list[tuple[str, str]]) -> str:
    """The type of the file system that a path lies on; `mounts` are (mount point, type), later ones over earlier ones."""
    resolved = path.resolve()
    over = [(len(Path(point).parts), kind) for point, kind in mounts if resolved.is_relative_to(point)]
    deepest = max((depth for depth, _ in over), default=0)
    return next((kind for depth, kind in reversed(over) if depth == deepest), "unknown")


def laid_on(kind: str, folder: Path) -> Finding:
    """What volumes on a file system of that type are worth."""
    sentence = f"Volumes lie in {folder} on {kind}."
    if kind in FLEETING:
        why, fix = " They are lost when the machine stops.", "Choose a home on a disk with PENSTOCK_HOME."
    elif kind in REMOTE:
        why = " The store needs a local disk, and brokers run slowly on a remote one."
        fix = "Choose a home on a local disk with PENSTOCK_HOME."
    elif kind in LAYERED:
        why, fix = (
            " They are lost with the container.",
            "Mount a volume into the container and choose it with PENSTOCK_HOME.",
        )
    else:
        return Finding("volumes", State.OK, sentence)
    return Finding("volumes", State.WARNING, sentence + why, fix)


def new_volumes(visit: Visit) -> Iterator[Finding]:
    seen = premises(visit.settings)
    yield to_come(seen.real_volumes, seen.volume_note, seen.no_filesystems, wanted=visit.settings.volumes)


def to_come(real: bool, note: str | None, obstacle: str | None, *, wanted: VolumeChoice) -> Finding:
    """What a new volume would be. `obstacle`: why filesystems cannot be had at all."""
    if wanted is VolumeChoice.FILESYSTEM and obstacle is not None:
        fix = "Mend that, or choose PENSTOCK_VOLUMES=auto."
        return Finding(
            "new volumes", State.WRONG, f"New volumes should be filesystems of their size, and {obstacle}.", fix
        )
    if real:
        more = f" Yet {note}." if note else " It grows while its node runs."
        return Finding("new volumes", State.OK, f"A new volume is a filesystem of its size.{more}")
    sentence = "A new volume is a folder: its size is watched and reported, and not enforced."
    if wanted is VolumeChoice.DIRECTORY:
        possible = (
            "PENSTOCK_VOLUMES=filesystem enforces it."
            if obstacle is None
            else f"Filesystems of a size are not to be had: {obstacle}."
        )
        return Finding("new volumes", State.OK, f"{sentence} {possible}")
    return Finding("new volumes", State.OK, f"{sentence} The reason: {note}.")


def promised(kind: VolumeKind, count: int, most: int, taken: int, free: int) -> Finding:
    """What the volumes of one kind may grow to (bytes) against what the disk has left."""
    what = {VolumeKind.DIRECTORY: "folder", VolumeKind.FILESYSTEM: "filesystem"}[kind]
    said = f"{count} volume{'' if count == 1 else 's'} ({what}) of {in_words(most)} in all; {in_words(taken)} of it is taken on the disk"
    left = most - taken
    if left <= free:
        return Finding("volumes", State.OK, f"{said}, and the rest fits.")
    said = f"{said}, and the disk has {in_words(free)} left"
    if kind is VolumeKind.DIRECTORY:
        return Finding("volumes", State.OK, f"{said}: that is the limit that counts.")
    # An image that cannot become longer fails with I/O errors inside, not with "no space left".
    sentence = f"{said}: filesystems go read-only where that is used up."
    fix = "Add space, delete topics, or choose smaller volumes for the next clusters."
    return Finding("volumes", State.WARNING, sentence, fix)


def ailing(node: str, use: VolumeUse) -> Iterator[Finding]:
    """A warning about one volume, where there is one to give."""
    if wrong := warning(use):
        what, fix = wrong
        yield Finding("volumes", State.WARNING, f"The volume of {node} {what}.", f"{fix[:1].upper()}{fix[1:]}.")


def _mounts() -> list[tuple[str, str]]:
    """Every mount of this process, in the order in which they were made; `\\040` and the like stand for odd characters."""
    lines = Path("/proc/self/mounts").read_bytes().decode(errors="surrogateescape").splitlines()
    fields = [line.split(" ") for line in lines]
    return [(each[1].encode("utf-8", "surrogateescape").decode("unicode_escape"), each[2]) for each in fields]


def encryption(visit: Visit) -> Iterator[Finding]:
    number = standing(visit.settings.home).stat().st_dev
    uuid = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}/dm/uuid")
    mapped = uuid.is_file() and uuid.read_text().startswith("CRYPT-")
    if mapped:
        yield Finding(
            "encryption", State.OK, "Penstock does not encrypt volumes yet; the disk that they lie on is encrypted."
        )
    else:
        sentence = "Volumes are not encrypted: Penstock does not do it yet."
        fix = "Put the home on an encrypted disk (LUKS) where that matters."
        yield Finding("encryption", State.WARNING, sentence, fix)


def user(visit: Visit) -> Iterator[Finding]:
    chosen = node_user(visit.settings)
    if chosen is None:
        if os.geteuid() == 0:
            yield Finding("user", State.WARNING, "Nodes run as root.", "Name another user with PENSTOCK_RUN_AS.")
        else:
            yield Finding("user", State.OK, "Nodes run as the user of the control plane.")
        return
    settings, blocked = visit.settings, False
    # The home itself is opened when it is made; what lies above it is not ours to change.
    for name, path, setting in (
        ("home", settings.home.parent, "PENSTOCK_HOME"),
        ("cache", settings.cache, "PENSTOCK_CACHE"),
    ):
        if not reachable(standing(path), chosen.uid):
            blocked = True
            sentence = f"Nodes run as the user `{chosen.name}`, who may not get to {path}, where the {name} lies."
            yield Finding(
                "user", State.WRONG, sentence, f"Choose another {name} with {setting}, or let that user pass."
            )
    if not blocked:
        yield Finding(
            "user",
            State.OK,
            f"Nodes run as the user `{chosen.name}`, who reaches the home and the cache.{_java(visit, chosen.uid)}",
        )


def _java(visit: Visit, uid: int) -> str:
    try:
        found = find_java(visit.settings.java_home, visit.settings.cache)
    except JavaError:
        return ""  # told as the finding about Java
    if reachable(found.executable, uid):
        return ""
    return f" Java in {found.home} is out of its reach, so a copy in the cache is run."
