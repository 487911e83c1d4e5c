"""How much of the AWS API is built: counted from the models and the registry, shown in the README.

`python -m penstock.api.coverage` prints the table; a test compares it with the README's."""

from __future__ import annotations

from penstock.api.registry import OPERATIONS
from penstock.wire import sts
from penstock.wire.model import SERVICES, load


def table() -> str:
    """A Markdown table with one row for each service: how many operations its model has, how many are built, and which."""
    rows = ["| service | built | operations |", "|---|---|---|"]
    for service in SERVICES:
        built = [operation for of, operation in OPERATIONS if of == service]
        rows.append(_row(service, built, len(load(service).operations)))
    # Answered by the wire itself; of this service nothing else is meant to be.
    rows.append(_row("sts", [sts.OPERATION], 1))
    return "\n".join(rows)


def _row(service: str, built: list[str], of: int) -> str:
    return f"| `{service}` | {len(built)} of {of} | {', '.join(built) or 'none yet'} |"


if __name__ == "__main__":
    print(table())
