"""The files of a freshly formatted node, written without a JVM.

Invariant: byte for byte what Kafka's own StorageTool writes, but for times and the checksums over them; golden files of
the tool hold this for every version. One file is ours: a broker of a dynamic quorum gets the quorum's first snapshot too.
Without it a broker learns the voters from the log alone, and where the very first leader falls before its records are
committed, Kafka cuts them off and does not read them again: the broker knows no controller and never registers (seen on
4.3.1; `KRaftControlRecordStateMachine` keeps its position over a truncation). Pure: the caller brings time and identities.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum

from penstock.kafka.records import (
    CONTROL,
    Record,
    VoterAddress,
    batch,
    feature_levels,
    kraft_version,
    snapshot_footer,
    snapshot_header,
    voter_set,
)

META = "meta.properties"
BOOTSTRAP = "bootstrap.checkpoint"
FIRST_SNAPSHOT = "__cluster_metadata-0/00000000000000000000-0000000000.checkpoint"


class FormatLayout(StrEnum):
    """Where the first features are written (kafka.md 2.2)."""

    BOOTSTRAP_FILE = "bootstrap-file"
    """Kafka to 4.3: in `bootstrap.checkpoint` of every node."""
    FIRST_SNAPSHOT = "first-snapshot"
    """Kafka from 4.4 (KIP-1170): in the controllers' first snapshot, after the voters; brokers hold none."""


def layout_of(kafka: str) -> FormatLayout:
    """The layout that a Kafka release (`4.3.1`) reads. An older Kafka cannot read a newer layout."""
    major, minor = (int(part) for part in kafka.split(".")[:2])
    return FormatLayout.FIRST_SNAPSHOT if (major, minor) >= (4, 4) else FormatLayout.BOOTSTRAP_FILE


def format_node(
    *,
    layout: FormatLayout,
    features: Iterable[tuple[str, int]],
    kafka_id: str,
    number: int,
    directory: str,
    voters: Sequence[VoterAddress],
    is_controller: bool,
    joins: bool = False,
    now_ms: int,
) -> Mapping[str, bytes]:
    """Path relative to the log directory -> content, for a node that has never run.

    `features` are the levels to finalise, `metadata.version` first, as the catalogue of versions lists them; `voters`
    is the whole first quorum, the same for every node, or empty for a static quorum. `number` and `directory` are the
    node's own. A controller that `joins` a quorum learns from its leader who votes: it must not take itself for a voter,
    and with no data vote on what there was. Raises ValueError where Kafka could not start from what was asked."""
    if is_controller and voters and (number, directory) not in {(v.number, v.directory) for v in voters}:
        raise ValueError(f"controller {number} is not among the voters; a quorum that it never joins cannot start")
    files = {META: meta_properties(kafka_id, number, directory, now_ms)}
    levels = feature_levels(features)
    if layout is FormatLayout.BOOTSTRAP_FILE:
        files[BOOTSTRAP] = _snapshot([], levels, now_ms)
        levels = []
    elif not voters:
        raise ValueError("a static quorum is not offered from Kafka 4.4 on; name the voters of a dynamic one")
    if voters and not (is_controller and joins):
        files[FIRST_SNAPSHOT] = _snapshot(_quorum(voters), levels if is_controller else [], now_ms)
    return files


def meta_properties(kafka_id: str, number: int, directory: str, now_ms: int) -> bytes:
    """Who owns the directory, as Java writes a properties file: an empty comment, the date, the lines."""
    date = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%a %b %d %H:%M:%S UTC %Y")
    lines = ("#", f"#{date}", f"cluster.id={kafka_id}", f"directory.id={directory}", f"node.id={number}", "version=1")
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def _quorum(addresses: Sequence[VoterAddress]) -> Sequence[Record]:
    return [kraft_version(1), voter_set(addresses)]


def _snapshot(quorum: Sequence[Record], levels: Sequence[Record], now_ms: int) -> bytes:
    """Control batch {header, quorum}, data batch {feature levels}, control batch {footer}; offsets count on."""
    offset, out = 0, b""
    for records, attributes in (
        ([snapshot_header(now_ms), *quorum], CONTROL),
        (levels, 0),
        ([snapshot_footer()], CONTROL),
    ):
        if records:
            out += batch(records, offset, now_ms, attributes)
            offset += len(records)
    return out
