"""What was asked for and not yet looked at: the whole interface between request and reality.

Only what must survive a crash is here; timers are the loop's own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa
from attrs import field, frozen

from penstock.model.ids import ClusterId
from penstock.store.tables import QUEUE

_ASKED = sa.select(QUEUE.c.due_at).where(QUEUE.c.resource == sa.bindparam("cluster"))


@frozen
class Queue:
    """Invariant: a wake-up stays until a pass that began after it says done."""

    connection: sa.Connection
    clock: Callable[[], datetime]
    woken: list[ClusterId] = field(factory=list)
    """Clusters woken in this transaction; told to the loop after the commit."""

    def wake(self, cluster: ClusterId) -> None:
        """Due now."""
        due_at = self.clock()
        here = QUEUE.c.resource == cluster
        waiting = self.asked(cluster)
        if waiting is None:
            self.connection.execute(QUEUE.insert().values(resource=cluster, due_at=due_at))
        else:
            # Always another moment, whatever the clock does: else a pass under way would take this wake-up for its own.
            due_at = max(due_at, waiting + timedelta(microseconds=1))
            self.connection.execute(QUEUE.update().where(here).values(due_at=due_at))
        if cluster not in self.woken:
            self.woken.append(cluster)

    def asked(self, cluster: ClusterId) -> datetime | None:
        """When that cluster was woken; None where it was not. To be read before the pass looks."""
        due_at: datetime | None = self.connection.scalar(_ASKED, {"cluster": cluster})
        return due_at

    def done(self, cluster: ClusterId, due_at: datetime) -> bool:
        """A pass has seen to the wake-up of that moment. False where a newer one came meanwhile: it stays."""
        answered = QUEUE.delete().where(QUEUE.c.resource == cluster, QUEUE.c.due_at == due_at)
        return bool(self.connection.execute(answered).rowcount)
