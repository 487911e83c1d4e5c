"""A cluster's history in sentences: what was done, when, and on what evidence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from attrs import frozen

from penstock.model.ids import ClusterId
from penstock.store.records import EventRecord
from penstock.store.tables import EVENTS

KEPT = 10_000
"""So many events of a cluster are kept: the newest."""


@frozen
class Events:
    """Invariant: inside a cluster `seq` counts up by one and is never given twice."""

    connection: sa.Connection

    def append(self, cluster: ClusterId, at: datetime, sentence: str, level: str = "info") -> int:
        """Add a sentence; returns its seq. What is older than the newest 10,000 goes."""
        newest = self.connection.scalar(sa.select(sa.func.max(EVENTS.c.seq)).where(EVENTS.c.cluster == cluster))
        seq = (newest or 0) + 1
        self.connection.execute(EVENTS.insert().values(cluster=cluster, seq=seq, at=at, level=level, sentence=sentence))
        if seq > KEPT:
            self.connection.execute(EVENTS.delete().where(EVENTS.c.cluster == cluster, EVENTS.c.seq <= seq - KEPT))
        return seq

    def list(self, cluster: ClusterId, after_seq: int = 0, limit: int = 1000) -> Sequence[EventRecord]:
        """The first `limit` events after `after_seq`, the oldest first."""
        query = sa.select(EVENTS).where(EVENTS.c.cluster == cluster, EVENTS.c.seq > after_seq)
        rows = self.connection.execute(query.order_by(EVENTS.c.seq).limit(limit))
        return [EventRecord(row.seq, row.at, row.level, row.sentence) for row in rows]

    def last(self, cluster: ClusterId, limit: int) -> Sequence[EventRecord]:
        """The newest `limit` events, the oldest of them first."""
        query = sa.select(EVENTS).where(EVENTS.c.cluster == cluster).order_by(EVENTS.c.seq.desc()).limit(limit)
        newest_first = [EventRecord(row.seq, row.at, row.level, row.sentence) for row in self.connection.execute(query)]
        return newest_first[::-1]
