"""What a home holds of its machine, told to all homes of it: a network of loopback addresses, blocks of ports."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from secrets import token_hex

from attrs import define, field

from penstock.compute.base import ComputeError
from penstock.compute.process.files import read_object, told, write

REGISTRY = Path("/var/tmp/penstock-networks")  # noqa: S108 - shared by all users of the machine on purpose
PATIENCE_SECONDS = 5.0
NOTE = "network.json"


@define
class Claims:
    """The claims of one home.

    Invariant: what has a name belongs to one home at a time: a claim file in the machine's registry holds the home's path
    and a token, and `network.json` in the home holds the same token and the name; a claim whose home does not say so is
    stale. The token is made at the first claim and kept."""

    home: Path
    registry: Path = REGISTRY

    def network(self, candidates: Sequence[str]) -> str | None:
        """The one network of the home, claimed now if it has none that is still its own; None where all are others'."""
        return next(self._claimed("network", candidates), None)

    def ports(self, candidates: Sequence[str]) -> Iterator[str]:
        """The home's blocks of ports, and then more, each claimed when it is asked for."""
        return self._claimed("ports", candidates)

    def token(self) -> str | None:
        """What is the home's alone on this machine; None before its first claim."""
        return str(read_object(self.home / NOTE).get("claim", "")) or None

    def noted(self) -> str | None:
        """The network that the home has written down, whether or not the registry still says so."""
        return str(read_object(self.home / NOTE).get("network", "")) or None

    def release(self) -> None:
        """Give everything back to the machine; nothing where there is nothing."""
        record = read_object(self.home / NOTE)
        if not record:
            return
        with told(f"giving a network back to {self.registry}"), _Lock(self.registry):
            for name in _held(record):
                claim = read_object(self.registry / name)
                if claim.get("token") == record.get("claim") and claim.get("home") == str(self.home):
                    (self.registry / name).unlink()

    def _claimed(self, kind: str, candidates: Sequence[str]) -> Iterator[str]:
        held = _held(read_object(self.home / NOTE))
        for name in sorted(candidates, key=lambda candidate: candidate not in held):
            with told(f"claiming a network in {self.registry}"), _Lock(self.registry):
                mine = self._mine(kind, name)
            if mine:
                yield name

    def _mine(self, kind: str, name: str) -> bool:
        """Is it the home's, or can it be now? Written down then."""
        record = read_object(self.home / NOTE)
        token = str(record.get("claim", "")) or token_hex(8)
        claim = read_object(self.registry / name)
        if (claim.get("token"), claim.get("home")) != (token, str(self.home)):
            if not self._free(name, claim):
                return False
            try:
                content = json.dumps({"home": str(self.home), "token": token}).encode()
                write(self.registry / name, content, durable=True)
            except PermissionError:
                return False  # another user's stale claim in a sticky directory: only its owner may replace it
        if name not in _held(record) or record.get("claim") != token:
            held = name if kind == "network" else sorted({*_blocks(record), name})
            noted = {**record, "claim": token, kind: held}
            write(self.home / NOTE, json.dumps(noted).encode(), durable=True)
        return True

    def _free(self, name: str, claim: Mapping[str, object]) -> bool:
        if not os.path.lexists(self.registry / name):
            return True
        if not claim:
            return False  # unreadable: not proved stale
        home = Path(str(claim.get("home")))
        try:
            theirs = json.loads((home / NOTE).read_bytes())
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return True
        except OSError:
            return False  # another user's home that we may not look into
        return theirs.get("claim") != claim.get("token") or name not in _held(theirs)


def _held(record: Mapping[str, object]) -> set[str]:
    """Names that a home's own record says are its."""
    return {str(record["network"]), *_blocks(record)} if "network" in record else set(_blocks(record))


def _blocks(record: Mapping[str, object]) -> list[str]:
    blocks = record.get("ports", [])
    return [str(block) for block in blocks] if isinstance(blocks, list) else []


@define
class _Lock:
    """The machine-wide lock on the registry, held for milliseconds; any user may take it."""

    registry: Path
    _held: int = field(default=-1, init=False)

    def __enter__(self) -> None:
        try:
            self.registry.mkdir(parents=True)
            self.registry.chmod(0o1777)
        except FileExistsError:
            if self.registry.is_symlink():
                raise ComputeError(
                    f"{self.registry} is a symbolic link, which anybody could have put there; remove it"
                ) from None
        path = self.registry / "lock"
        try:
            # Without O_CREAT first: Linux refuses it for another user's file in a sticky directory (fs.protected_regular).
            self._held = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            self._held = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno != errno.EWOULDBLOCK or time.monotonic() > until:
                    os.close(self._held)
                    raise ComputeError(
                        f"the lock {path} is held by another process for {PATIENCE_SECONDS:.0f} s; look who holds it and end it"
                    ) from error
            time.sleep(0.01)

    def __exit__(self, *_: object) -> None:
        os.close(self._held)
