"""What `penstock doctor` looks at: one function for each subject, in the order in which they are printed.

Invariant: a check only looks. It makes no file, starts no node and claims nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from penstock.cli.checks import machine, network, places, software, state
from penstock.cli.checks.finding import Check, Finding, State, Visit

CHECKS: tuple[tuple[str, Check], ...] = (
    ("python", machine.python),
    ("java", software.java),
    ("memory", machine.memory),
    ("processors", machine.processors),
    ("processes", machine.processes),
    ("open files", machine.open_files),
    ("disk", places.disk),
    ("volumes", places.volumes),
    ("new volumes", places.new_volumes),
    ("quarantine", places.quarantine),
    ("encryption", places.encryption),
    ("user", places.user),
    ("addresses", network.addresses),
    ("shared address", network.shared_address),
    ("ipv6", network.ipv6),
    ("ports", network.ports),
    ("distributions", software.distributions),
    ("plugin", software.plugin_jar),
    ("archives", software.archives),
    ("survival", machine.survival),
    ("clock", machine.clock),
    ("store", state.store),
    ("control plane", state.control_plane),
)


def examine(visit: Visit, told: tuple[type[Exception], ...]) -> Iterator[Finding]:
    """Every finding. A check that cannot look (an error of the kinds `told`) is itself a finding and hides no other."""
    for subject, check in CHECKS:
        try:
            yield from check(visit)
        except told as error:
            said = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
            yield Finding(subject, State.WRONG, f"It could not be looked at: {said}.", "Mend that and look again.")


def able(findings: Iterable[Finding]) -> bool:
    """Could a cluster run here?"""
    return all(finding.state is not State.WRONG for finding in findings)
