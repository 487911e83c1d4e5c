"""The built-in network: three subnets in three zones, a security group and a VPC for each account and region."""

from __future__ import annotations

import hashlib
import re

from attrs import frozen

from penstock.model.spec import Subnet

ZONES = 3
_DIRECTIONS = {
    "north": "n",
    "northeast": "ne",
    "east": "e",
    "southeast": "se",
    "south": "s",
    "southwest": "sw",
    "west": "w",
    "northwest": "nw",
    "central": "c",
    "gov": "g",
    "iso": "i",
}


@frozen
class Network:
    """What exists without anybody having made it. Invariant: the ids depend on account and region alone."""

    subnets: tuple[Subnet, ...]
    security_group: str
    vpc: str


def built_in(account: str, region: str) -> Network:
    """The built-in network of one account in one region."""
    return Network(
        subnets=tuple(
            Subnet(_id("subnet", account, region, number), zone) for number, zone in enumerate(zones(region), start=1)
        ),
        security_group=_id("sg", account, region, 1),
        vpc=_id("vpc", account, region, 1),
    )


def zones(region: str) -> tuple[str, ...]:
    """Zone ids as MSK shows them in `zoneIds` and `broker.rack`: `use1-az1`, `use1-az2`, `use1-az3`."""
    return tuple(f"{short_region(region)}-az{number}" for number in range(1, ZONES + 1))


def short_region(region: str) -> str:
    """`use1` for `us-east-1`, `apse2` for `ap-southeast-2`, `usgw1` for `us-gov-west-1`; of another form: joined."""
    if re.fullmatch(r"[a-z]+(-[a-z]+)+-\d+", region) is None:
        return re.sub(r"[^a-z0-9]", "", region.lower()) or "local"
    first, *middle, number = region.split("-")
    return first + "".join(_DIRECTIONS.get(word, word) for word in middle) + number


def _id(kind: str, account: str, region: str, number: int) -> str:
    return f"{kind}-0" + hashlib.sha256(f"{kind}/{account}/{region}/{number}".encode()).hexdigest()[:16]
