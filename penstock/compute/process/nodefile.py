"""node.json: whose directory it is, what was last written into it, and in which term."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from penstock.compute.base import ComputeError, IssuedLeaf, StaleFence
from penstock.compute.process import files
from penstock.compute.process.files import told
from penstock.compute.process.home import Place
from penstock.compute.process.records import Records
from penstock.model.node import NodeSpec


def of(node: NodeSpec, leaves: Sequence[IssuedLeaf], fence: int) -> dict[str, Any]:
    """What it says of a node that is started."""
    return {
        "cluster": node.id.cluster,
        "node": node.id.name,
        "role": node.id.role,
        "number": node.id.number,
        "zone": node.zone,
        "revision": node.revision,
        "start": node.start,
        "live": node.live,
        "fence": fence,
        "address": node.address,
        "ports": dict(node.ports),
        "beside": [[endpoint.address, dict(endpoint.ports)] for endpoint in node.beside],
        "incarnation": node.incarnation,
        "leaves": sorted({leaf.path for leaf in leaves} | {leaf.path for leaf in node.leaves}),
        "ready_line": node.ready_line,
    }


def read(records: Records, place: Place, fence: int, damaged: bool = False) -> dict[str, Any] | None:
    """None where there is none. Raises StaleFence; ComputeError where it cannot be read, unless `damaged` is fine."""
    try:
        said = records.object(place.record("node"))
    except (OSError, ValueError) as error:
        if damaged:
            return None
        raise ComputeError(
            f"the record {place.record('node')} cannot be read: {error}; mend the disk, or delete that file "
            "if the node's process is gone"
        ) from error
    if said is not None and said["fence"] > fence:
        raise StaleFence(
            f"term {fence} may not touch {place.id}: a control plane of term {said['fence']} has spoken to it; "
            "this one is not in charge any more"
        )
    return said


def write(place: Place, said: Mapping[str, Any]) -> None:
    """Durable. Raises OSError."""
    files.write(place.record("node"), json.dumps(said).encode(), durable=True)


def beside(said: Mapping[str, Any] | None) -> set[str]:
    """The addresses beside its own on which the node was last told to listen. A record of before there were any has none."""
    return {address for address, _ in said.get("beside", [])} if said else set()


def raise_fence(place: Place, said: Mapping[str, Any] | None, fence: int) -> None:
    """The term that speaks is written down, where there is a record and an older term in it."""
    if said is not None and said["fence"] < fence:
        with told(f"writing the term of {place.id}"):
            write(place, {**said, "fence": fence})
