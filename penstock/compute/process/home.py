"""Where things of nodes lie in a home.

nodes/<cluster>/<node>/       root's: node.json (whose, what), volume.json (which it ran on), use.json (how much it holds),
                              run.json, ended.json, stop.json, refused.json, keeper.json, keeper.log, lock, keeper.lock,
                              node.log, node.log.1
nodes/<cluster>/<node>/files/ the node's files, `@node@`; the node may read them
nodes/<cluster>/<node>/work/  the node's working directory and HOME; its own
volumes/<cluster>/<node>/     a directory: volume.json (whose), ballast, and data/, `@volume@`; data is the node's own
                              a filesystem: volume.json, image, and disk/ where it is mounted, with the three of a directory
quarantine/<when>-<cluster>-<node>-<why>/  a volume that was put aside (`quarantine.py`)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from penstock.compute.base import ComputeError
from penstock.compute.process.files import make_directory, told
from penstock.compute.process.user import User, refused_at
from penstock.model.ids import ClusterId, NodeId, Role

PASSABLE = 0o711
"""Directories on the way to a node's files: everybody may pass, nobody may list."""
_CLUSTER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_NODE = re.compile(rf"({'|'.join(Role)})-(\d{{1,9}})")


@frozen
class Place:
    """The paths of one node."""

    id: NodeId
    directory: Path
    volume: Path

    @property
    def files(self) -> Path:
        return self.directory / "files"

    @property
    def work(self) -> Path:
        return self.directory / "work"

    @property
    def image(self) -> Path:
        """Of a volume that is a filesystem: the file that it lies in."""
        return self.volume / "image"

    @property
    def disk(self) -> Path:
        """And where it is mounted."""
        return self.volume / "disk"

    @property
    def data(self) -> Path:
        """The node's own data. Not there while its filesystem is not mounted: it cannot pass for empty."""
        return (self.disk if self.disk.is_dir() else self.volume) / "data"

    @property
    def log(self) -> Path:
        return self.directory / "node.log"

    def record(self, name: str) -> Path:
        return self.directory / f"{name}.json"


@frozen
class Home:
    """A home's directories of nodes. Every path is made here, from ids that cannot lead out of it."""

    root: Path

    @property
    def nodes(self) -> Path:
        return self.root / "nodes"

    @property
    def volumes(self) -> Path:
        return self.root / "volumes"

    @property
    def quarantine(self) -> Path:
        return self.root / "quarantine"

    def prepare(self, user: User | None) -> None:
        """Make the directories; ComputeError where the nodes' user could not reach them (nothing outside the home is changed)."""
        with told(f"making the home {self.root}"):
            if user is not None:
                self.root.mkdir(parents=True, exist_ok=True)
                blocked = refused_at(self.root, user)
                if blocked is not None:
                    raise ComputeError(
                        f"nodes run as the user `{user.name}`, who may not enter {blocked}, and the home {self.root} lies in it; "
                        "choose another home with PENSTOCK_HOME (for example /var/lib/penstock) or another user with PENSTOCK_RUN_AS"
                    )
                self.root.chmod(self.root.stat().st_mode & 0o7777 | PASSABLE & 0o111)
            make_directory(self.nodes, PASSABLE)
            make_directory(self.volumes, PASSABLE)

    def place(self, node: NodeId) -> Place:
        if not _CLUSTER.fullmatch(node.cluster):
            raise ComputeError(
                f"`{node.cluster}` is no name of a cluster: letters, digits, `.`, `_` and `-` alone make a directory's name"
            )
        return Place(node, self.nodes / node.cluster / node.name, self.volumes / node.cluster / node.name)

    def clusters(self) -> list[ClusterId]:
        """Every cluster that some directory or volume is named after."""
        with told(f"looking into the home {self.root}"):
            names = {
                path.name
                for top in (self.nodes, self.volumes)
                for path in top.iterdir()
                if _CLUSTER.fullmatch(path.name)
            }
        return [ClusterId(name) for name in sorted(names)]

    def members(self, cluster: ClusterId) -> list[NodeId]:
        """Every node of a cluster that has a directory or a volume. ComputeError where that cannot be known."""
        if not _CLUSTER.fullmatch(cluster):
            return []
        with told(f"looking for the nodes of {cluster}"):
            for top in (self.nodes, self.volumes):
                top.stat()  # a home that is not there is not a home without nodes
            found = {*self._named(cluster, self.nodes / cluster), *self._named(cluster, self.volumes / cluster)}
        return sorted(found)

    @staticmethod
    def _named(cluster: ClusterId, directory: Path) -> Iterator[NodeId]:
        try:
            names = [path.name for path in directory.iterdir()]
        except FileNotFoundError:
            return
        for name in names:
            if match := _NODE.fullmatch(name):
                yield NodeId(cluster, Role(match[1]), int(match[2]))
