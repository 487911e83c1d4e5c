"""Rows of clusters: specs written by calls, statuses written by the loop, and the history of the forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from attrs import frozen
from sqlalchemy.exc import IntegrityError

from penstock.model.ids import ClusterId
from penstock.model.spec import ClusterSpec, ClusterStatus
from penstock.store.codec import decode, encode, same
from penstock.store.errors import NameTaken, NoSuchCluster
from penstock.store.records import ClusterRecord, PastCluster
from penstock.store.tables import CLUSTERS, EVENTS, LIVE, LIVE_NAME, OPERATIONS, QUEUE, SECRETS

_LIVE: sa.Select[Any] = sa.select(CLUSTERS.c.id, CLUSTERS.c.spec, CLUSTERS.c.status, CLUSTERS.c.version).where(LIVE)
# Built once: to build a query takes longer than to run it.
_BY_ID = _LIVE.where(CLUSTERS.c.id == sa.bindparam("id"))
_BY_ARN = _LIVE.where(CLUSTERS.c.arn == sa.bindparam("arn"))
_BY_NAME = _LIVE.where(*(CLUSTERS.c[name] == sa.bindparam(name) for name in ("account", "region", "name")))


@frozen
class Clusters:
    """Invariant: one live cluster of a name in (account, region) at most; putting what is there already writes nothing."""

    connection: sa.Connection

    def insert(self, spec: ClusterSpec, status: ClusterStatus) -> ClusterRecord:
        """A new cluster, at version 1. Raises NameTaken; of two that race, exactly one is inserted."""
        taken = NameTaken(
            f"A cluster named {spec.name!r} exists in account {spec.account}, region {spec.region}. "
            "Choose another name, or delete that cluster and wait until it is gone."
        )
        if self.by_name(spec.account, spec.region, spec.name) is not None:
            raise taken
        row = {
            "id": spec.id,
            "arn": spec.arn,
            "account": spec.account,
            "region": spec.region,
            "name": spec.name,
            "state": status.state.value,
            "version": 1,
            "created": spec.created,
            "spec": encode(spec),
            "status": encode(status),
            "last_words": "",
            "quarantined": [],
        }
        try:
            self.connection.execute(CLUSTERS.insert().values(row))
        except IntegrityError as error:
            # Only an engine that lets two writers run at once comes here with a name that the look above did not see.
            if str(LIVE_NAME.name) in str(error.orig):
                raise taken from error
            raise
        return ClusterRecord(spec, status, 1)

    def get(self, cluster: ClusterId) -> ClusterRecord | None:
        return self._one(_BY_ID, id=cluster)

    def by_arn(self, arn: str) -> ClusterRecord | None:
        return self._one(_BY_ARN, arn=arn)

    def by_name(self, account: str, region: str, name: str) -> ClusterRecord | None:
        return self._one(_BY_NAME, account=account, region=region, name=name)

    def list(
        self,
        account: str,
        region: str,
        prefix: str = "",
        after: tuple[datetime, ClusterId] | None = None,
        limit: int | None = None,
    ) -> Sequence[ClusterRecord]:
        """Live clusters whose name begins with `prefix`, by (created, id); `after` is the last of the page before."""
        query = _LIVE.where(CLUSTERS.c.account == account, CLUSTERS.c.region == region)
        if prefix:
            # Not LIKE: SQLite's ignores case, and a name may hold its wildcards.
            query = query.where(sa.func.substr(CLUSTERS.c.name, 1, len(prefix)) == prefix)
        if after is not None:
            created, last = after
            later = sa.and_(CLUSTERS.c.created == created, CLUSTERS.c.id > last)
            query = query.where(sa.or_(CLUSTERS.c.created > created, later))
        query = query.order_by(CLUSTERS.c.created, CLUSTERS.c.id).limit(limit)
        return [_record(row) for row in self.connection.execute(query)]

    def live_ids(self) -> Sequence[ClusterId]:
        """Every cluster that is not forgotten, of all accounts and regions, oldest first."""
        query = sa.select(CLUSTERS.c.id).where(LIVE).order_by(CLUSTERS.c.created, CLUSTERS.c.id)
        return [ClusterId(cluster) for cluster in self.connection.scalars(query)]

    def put_spec(self, spec: ClusterSpec, *, bump: bool = True) -> int:
        """Replace the desired; returns the version. `bump=False` is for facts written down on the cluster's behalf
        (addresses, when a node first served), which are no change in the eyes of a user. Raises NoSuchCluster."""
        old = self._existing(spec.id)
        document = encode(spec)
        version = int(old.version) + (1 if bump else 0)
        if version != old.version or not same(document, old.spec):
            self._update(spec.id, spec=document, version=version)
        return version

    def put_status(self, cluster: ClusterId, status: ClusterStatus) -> None:
        """Replace what was computed. Raises NoSuchCluster."""
        document = encode(status)
        if not same(document, self._existing(cluster).status):
            self._update(cluster, status=document, state=status.state.value)

    def forget(self, cluster: ClusterId, now: datetime, last_words: str, quarantined: Sequence[str] = ()) -> None:
        """Nothing of the cluster exists any more: its operations, events, secrets and wake-ups go, one line of history
        stays, and its name is free. Raises NoSuchCluster."""
        self._existing(cluster)
        for column in (OPERATIONS.c.cluster, EVENTS.c.cluster, SECRETS.c.owner, QUEUE.c.resource):
            self.connection.execute(sa.delete(column.table).where(column == cluster))
        self._update(
            cluster, spec=None, status=None, forgotten=now, last_words=last_words, quarantined=list(quarantined)
        )

    def history(self, account: str, region: str) -> Sequence[PastCluster]:
        """Forgotten clusters, the last forgotten first."""
        query = (
            sa.select(CLUSTERS)
            .where(CLUSTERS.c.account == account, CLUSTERS.c.region == region, CLUSTERS.c.forgotten.is_not(None))
            .order_by(CLUSTERS.c.forgotten.desc(), CLUSTERS.c.id)
        )
        return [
            PastCluster(
                ClusterId(row.id), row.name, row.arn, row.created, row.forgotten, row.last_words, tuple(row.quarantined)
            )
            for row in self.connection.execute(query)
        ]

    def _one(self, query: sa.Select[Any], **values: str) -> ClusterRecord | None:
        row = self.connection.execute(query, values).one_or_none()
        return None if row is None else _record(row)

    def _existing(self, cluster: ClusterId) -> sa.Row[Any]:
        row = self.connection.execute(_BY_ID, {"id": cluster}).one_or_none()
        if row is None:
            raise NoSuchCluster(f"There is no cluster {cluster}: it was deleted, or never made. List the clusters.")
        return row

    def _update(self, cluster: ClusterId, **values: Any) -> None:
        self.connection.execute(CLUSTERS.update().where(CLUSTERS.c.id == cluster).values(**values))


def _record(row: sa.Row[Any]) -> ClusterRecord:
    return ClusterRecord(
        spec=decode(row.spec, ClusterSpec, f"spec of cluster {row.id}"),
        status=decode(row.status, ClusterStatus, f"status of cluster {row.id}"),
        version=row.version,
    )
