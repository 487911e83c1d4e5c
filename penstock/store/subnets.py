"""Which zone a subnet lies in. No network is behind it: an id gets a zone the first time it is seen, and keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from attrs import frozen

from penstock.store.network import Network, built_in, zones
from penstock.store.tables import SUBNETS


@frozen
class Subnets:
    """Invariant: a subnet's zone never changes."""

    connection: sa.Connection

    def zone_of(self, account: str, region: str, ids: Sequence[str]) -> Mapping[str, str]:
        """The zone of each id, in the order given. Unknown ids get the zones that the known ones leave free, in order,
        then the zones in turn; so three unknown subnets are three zones. Unknown ids need a writing transaction."""
        wanted = list(dict.fromkeys(ids))
        known = {subnet.id: subnet.zone for subnet in built_in(account, region).subnets}
        query = sa.select(SUBNETS.c.id, SUBNETS.c.zone).where(
            SUBNETS.c.account == account, SUBNETS.c.region == region, SUBNETS.c.id.in_(wanted)
        )
        known |= {row.id: row.zone for row in self.connection.execute(query)}
        used = {known[subnet] for subnet in wanted if subnet in known}
        free = [zone for zone in zones(region) if zone not in used]
        unknown = [subnet for subnet in wanted if subnet not in known]
        for number, subnet in enumerate(unknown):
            every = zones(region)
            zone = free[number] if number < len(free) else every[(number - len(free)) % len(every)]
            self.connection.execute(SUBNETS.insert().values(account=account, region=region, id=subnet, zone=zone))
            known[subnet] = zone
        return {subnet: known[subnet] for subnet in wanted}

    def built_in(self, account: str, region: str) -> Network:
        """The three subnets, the security group and the VPC that are always there."""
        return built_in(account, region)
