"""What the tests ask for: the members of a create, and how to change one of them."""

from __future__ import annotations

import copy

ABSENT = object()
GROUP = "BrokerNodeGroupInfo"
OFF = {"Enabled": False}


def put(wish, path, value):
    """A copy of the wish with one member at a dotted path replaced."""
    changed = copy.deepcopy(wish)
    *parents, last = path.split(".")
    place = changed
    for part in parents:
        place = place.setdefault(part, {})
    if value is ABSENT:
        del place[last]
    else:
        place[last] = value
    return changed


def v2(wish):
    """The same wish as CreateClusterV2 takes it."""
    outer = {member: wish[member] for member in ("ClusterName", "Tags") if member in wish}
    return {**outer, "Provisioned": {member: value for member, value in wish.items() if member not in outer}}
