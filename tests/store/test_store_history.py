"""Operations, events and wake-ups of a cluster."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve

from penstock.model.ids import ClusterId
from penstock.model.operation import OperationKind, OperationState, Step
from penstock.store import events
from penstock.store.errors import OperationInProgress, StoreError
from penstock.store.store import Store

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ONE, TWO = ClusterId("one-1"), ClusterId("two-1")
REBOOT = OperationKind.REBOOT_NODE


def test_a_reboot_from_request_to_history(store: Store) -> None:
    with store.write() as tx:
        identity = tx.operations.open(REBOOT, ONE, {}, {"BrokerIds": ["2"]}, "request-7", NOW)
        current = tx.operations.current(ONE)
    assert current is not None
    assert (current.id, current.state, current.started, current.target) == (
        identity, OperationState.PENDING, NOW, {"BrokerIds": ["2"]},
    )  # fmt: skip
    steps = (Step("STOP", "COMPLETED"), Step("START", "IN_PROGRESS"))
    with store.write() as tx:
        tx.operations.put(evolve(current, state=OperationState.REBOOT_IN_PROGRESS, steps=steps))
    with store.read() as tx:
        current = tx.operations.current(ONE)
    assert current is not None
    assert (current.state, current.steps) == (OperationState.REBOOT_IN_PROGRESS, steps)
    with store.write() as tx:
        tx.operations.close(identity, OperationState.REBOOT_COMPLETE, NOW + timedelta(minutes=1))
    with store.read() as tx:
        assert tx.operations.current(ONE) is None
        (record,) = tx.operations.list(ONE)
        assert tx.operations.get(identity) == record
    assert (record.ended, record.state, record.client_request_id) == (
        NOW + timedelta(minutes=1), OperationState.REBOOT_COMPLETE, "request-7",
    )  # fmt: skip
    with pytest.raises(StoreError, match="is not open"), store.write() as tx:
        tx.operations.put(current)


def test_only_one_operation_is_open_on_a_cluster(store: Store) -> None:
    with store.write() as tx:
        first = tx.operations.open(REBOOT, ONE, {}, {}, "a", NOW)
        tx.operations.open(REBOOT, TWO, {}, {}, "b", NOW)
    with (
        pytest.raises(OperationInProgress, match=r"busy with REBOOT_NODE since 2026-03-01 12:00:00Z"),
        store.write() as tx,
    ):
        tx.operations.open(REBOOT, ONE, {}, {}, "c", NOW)
    with store.write() as tx:
        tx.operations.close(first, OperationState.UPDATE_FAILED, NOW, "E1", "the broker did not come back")
        tx.operations.open(REBOOT, ONE, {}, {}, "d", NOW + timedelta(seconds=1))
    with store.read() as tx:
        failed, running = tx.operations.list(ONE)
    assert (failed.error_code, failed.error_string) == ("E1", "the broker did not come back")
    assert running.client_request_id == "d"


def test_events_count_up_and_the_newest_stay(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "KEPT", 5)
    with store.write() as tx:
        seqs = [tx.events.append(ONE, NOW + timedelta(seconds=n), f"sentence {n}") for n in range(1, 9)]
        assert tx.events.append(TWO, NOW, "careful", level="warning") == 1
    assert seqs == list(range(1, 9))
    with store.read() as tx:
        kept = tx.events.list(ONE)
        assert [event.sentence for event in kept] == [f"sentence {n}" for n in range(4, 9)]
        assert [event.seq for event in tx.events.list(ONE, after_seq=5, limit=2)] == [6, 7]
        assert [event.seq for event in tx.events.last(ONE, 2)] == [7, 8]
        assert [(event.level, event.at) for event in tx.events.list(TWO)] == [("warning", NOW)]


def test_ten_thousand_events_are_kept() -> None:
    assert events.KEPT == 10_000


def test_a_wake_up_survives_until_a_pass_that_began_after_it(url: str, key: bytes) -> None:
    woken: list[ClusterId] = []
    store = Store(url, key, woken.append, clock=lambda: NOW)
    with store.write() as tx:
        tx.queue.wake(ONE)
        tx.queue.wake(ONE)
        tx.queue.wake(TWO)
        assert woken == [], "before the commit there is nothing to see"
    assert woken == [ONE, TWO]
    store.close()

    store = Store(url, key, clock=lambda: NOW)
    with store.read() as tx:
        due = {cluster: tx.queue.asked(cluster) for cluster in (ONE, TWO)}
    assert None not in due.values()
    with store.write() as tx:
        tx.queue.wake(ONE)  # while the pass is under way, by a clock that stands still
    with store.write() as tx:
        assert not tx.queue.done(ONE, due[ONE])
        assert tx.queue.done(TWO, due[TWO])
    with store.read() as tx:
        assert tx.queue.asked(ONE) is not None
        assert tx.queue.asked(TWO) is None
    store.close()
