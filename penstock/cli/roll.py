"""A roll in words and as JSON: order, batches, reasons, what is below its minimum meanwhile, and how long it takes."""

from __future__ import annotations

from typing import Any

from penstock.model.plan import Roll

SHOWN = 10
"""So many exposed partitions are named in words; JSON has all."""


def as_value(roll: Roll | None) -> dict[str, Any] | None:
    """For `--json`; seconds are predicted. None where nothing is to be restarted."""
    if roll is None:
        return None
    return {
        "batches": [
            {
                "nodes": [node.name for node in batch.nodes],
                "zone": batch.zone,
                "reasons": {restart.node.name: list(restart.reasons) for restart in batch.restarts},
                "seconds": batch.seconds,
                "note": batch.note,
            }
            for batch in roll.batches
        ],
        "exposed": list(roll.exposed),
        "seconds": roll.seconds,
    }


def sentences(roll: Roll | None) -> list[str]:
    """In the order in which it goes."""
    if roll is None:
        return []
    nodes, batches = sum(len(batch.nodes) for batch in roll.batches), len(roll.batches)
    lines = [f"{_many(nodes, 'node')} to restart in {_many(batches, 'batch', 'es')}, about {roll.seconds:.0f} s:"]
    for number, batch in enumerate(roll.batches, 1):
        note = f"; {batch.note}" if batch.note else ""
        lines.append(f"  {number}. {batch} in {batch.zone}, about {batch.seconds:.0f} s{note}")
        lines += [f"       {reason}" for restart in batch.restarts for reason in restart.reasons]
    if roll.exposed:
        more = f" and {len(roll.exposed) - SHOWN} more" if len(roll.exposed) > SHOWN else ""
        named = ", ".join(roll.exposed[:SHOWN])
        lines.append(
            f"  Below their minimum while a broker of theirs is down, having no more replicas than that: {named}{more}"
        )
    return lines


def otherwise(roll: Roll, tried: Roll) -> list[str]:
    """What `--roll` takes for granted, where it makes a difference: that the update is none of the configuration."""
    if len(tried.batches) == len(roll.batches):
        return []
    first, batches = tried.batches[0], len(tried.batches)
    return [f"a new configuration is tried by {first} alone first: {batches} batches then, about {tried.seconds:.0f} s"]


def _many(count: int, what: str, plural: str = "s") -> str:
    return f"{count} {what}{'' if count == 1 else plural}"
