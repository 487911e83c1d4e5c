"""Cluster operations: one open at a time for a cluster, all of them kept as its history (msk.md 2.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from attrs import frozen
from sqlalchemy.exc import IntegrityError

from penstock.model.ids import ClusterId
from penstock.model.operation import OpenOperation, OperationKind, OperationState, Step, Work
from penstock.store.codec import decode, encode
from penstock.store.errors import OperationInProgress, StoreError
from penstock.store.records import OperationRecord
from penstock.store.tables import ONE_OPEN, OPEN, OPERATIONS

_ORDERED = sa.select(OPERATIONS).order_by(OPERATIONS.c.started, OPERATIONS.c.id)
_BY_ID = _ORDERED.where(OPERATIONS.c.id == sa.bindparam("id"))
_OF_CLUSTER = _ORDERED.where(OPERATIONS.c.cluster == sa.bindparam("cluster"))
_CURRENT = _OF_CLUSTER.where(OPEN)


@frozen
class Operations:
    """Invariant: `ended` is set exactly when the state is an end state; an ended operation never changes."""

    connection: sa.Connection

    def open(
        self,
        kind: OperationKind,
        cluster: ClusterId,
        source: Mapping[str, Any],
        target: Mapping[str, Any],
        client_request_id: str,
        now: datetime,
        state: OperationState = OperationState.PENDING,
    ) -> str:
        """A new operation; returns its id, a uuid. Raises OperationInProgress where the cluster has an open one."""
        current = self.current(cluster)
        if current is not None:
            raise _in_progress(cluster, current)
        identity = str(uuid4())
        row = {
            "id": identity,
            "cluster": cluster,
            "kind": kind.value,
            "state": state.value,
            "started": now,
            "source": encode(dict(source)),
            "target": encode(dict(target)),
            "steps": [],
            "work": encode(Work()),
            "client_request_id": client_request_id,
        }
        try:
            self.connection.execute(OPERATIONS.insert().values(row))
        except IntegrityError as error:
            if str(ONE_OPEN.name) in str(error.orig):
                raise _in_progress(cluster, None) from error
            raise
        return identity

    def current(self, cluster: ClusterId) -> OpenOperation | None:
        """The open operation of a cluster."""
        found = self._select(_CURRENT, cluster=cluster)
        return found[0].as_open if found else None

    def put(self, operation: OpenOperation) -> None:
        """Write the state, the steps and the work of an open operation. Raises StoreError where it is not open."""
        row = self._opened(operation.id)
        if not operation.state.open:
            raise ValueError(f"{operation.state} ends an operation: use close().")
        if operation != row.as_open:
            steps, work = encode(operation.steps), encode(operation.work)
            self._update(operation.id, state=operation.state.value, steps=steps, work=work)

    def close(
        self,
        identity: str,
        state: OperationState,
        now: datetime,
        error_code: str | None = None,
        error_string: str | None = None,
    ) -> None:
        """End an open operation. Raises StoreError where it is not open."""
        self._opened(identity)
        if state.open:
            raise ValueError(f"{state} does not end an operation: use put().")
        self._update(identity, state=state.value, ended=now, error_code=error_code, error_string=error_string)

    def get(self, identity: str) -> OperationRecord | None:
        found = self._select(_BY_ID, id=identity)
        return found[0] if found else None

    def list(self, cluster: ClusterId) -> Sequence[OperationRecord]:
        """All operations of a cluster, the oldest first."""
        return self._select(_OF_CLUSTER, cluster=cluster)

    def _select(self, query: sa.Select[Any], **values: str) -> Sequence[OperationRecord]:
        return [_record(row) for row in self.connection.execute(query, values)]

    def _opened(self, identity: str) -> OperationRecord:
        record = self.get(identity)
        if record is None or record.ended is not None:
            raise StoreError(f"Operation {identity} is not open: it has ended or was never opened. Read it again.")
        return record

    def _update(self, identity: str, **values: Any) -> None:
        self.connection.execute(OPERATIONS.update().where(OPERATIONS.c.id == identity).values(**values))


def _in_progress(cluster: ClusterId, current: OpenOperation | None) -> OperationInProgress:
    what = f"{current.kind} since {current.started:%Y-%m-%d %H:%M:%S}Z" if current else "another operation"
    return OperationInProgress(
        f"Cluster {cluster} is busy with {what}. Wait until that operation has ended, then repeat."
    )


def _record(row: sa.Row[Any]) -> OperationRecord:
    what = f"operation {row.id}"
    return OperationRecord(
        id=row.id,
        cluster=ClusterId(row.cluster),
        kind=decode(row.kind, OperationKind, what),
        state=decode(row.state, OperationState, what),
        started=row.started,
        ended=row.ended,
        source=row.source,
        target=row.target,
        steps=decode(row.steps, tuple[Step, ...], what),
        work=decode(row.work, Work, what),
        client_request_id=row.client_request_id,
        error_code=row.error_code,
        error_string=row.error_string,
    )
