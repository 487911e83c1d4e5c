"""A volume's label: whose it is, in a file that lies in the volume itself."""

from __future__ import annotations

import json
from pathlib import Path

from attrs import field, frozen

from penstock.compute.process.files import told
from penstock.model.volume import VolumeKind

LABEL = "volume.json"


@frozen
class Label:
    """Whose volume it is, and what it is. Equal labels (cluster, node, incarnation) or it is a stranger's."""

    cluster: str
    node: str
    incarnation: str
    kind: VolumeKind = field(default=VolumeKind.DIRECTORY, eq=False)
    gib: int | None = field(default=None, eq=False)
    """The largest size that was ever wanted; None in labels from before sizes were written down."""

    @classmethod
    def read(cls, content: bytes) -> Label:
        """Raises ValueError, KeyError and TypeError where it is none."""
        record = json.loads(content)
        kind = VolumeKind(record.get("kind", VolumeKind.DIRECTORY))
        return cls(record["cluster"], record["node"], record["incarnation"], kind, record.get("gib"))

    @property
    def content(self) -> bytes:
        whose = {"cluster": self.cluster, "node": self.node, "incarnation": self.incarnation}
        return json.dumps({**whose, "kind": self.kind, "gib": self.gib}).encode()


def read(volume: Path) -> Label | None:
    """Whose volume it is; None where it has no label that can be understood. Raises ComputeError where it cannot be read."""
    with told(f"reading the label of {volume}"):
        try:
            return Label.read((volume / LABEL).read_bytes())
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, AttributeError):
            return None
