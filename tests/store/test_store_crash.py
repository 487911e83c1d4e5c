"""The control plane is killed with SIGKILL while it writes: what it had promised is there, and nothing by halves."""

from __future__ import annotations

import signal
from collections.abc import Callable
from subprocess import Popen

import sqlalchemy as sa

from penstock.model.ids import ClusterId
from penstock.store.store import Store

WRITER = """
import sys
from datetime import UTC, datetime
from penstock.model.ids import ClusterId
from penstock.store.store import Store

store = Store(sys.argv[1], bytes(range(32)))
while True:
    with store.write() as tx:
        seq = tx.events.append(ClusterId("one"), datetime.now(UTC), "a sentence of some length " * 40)
        tx.events.append(ClusterId("two"), datetime.now(UTC), "the other half of the same transaction")
    print(seq, flush=True)
"""

DIES_WHILE_MIGRATING = """
import os, signal, sys
from sqlalchemy import Engine, event
from penstock.store.store import Store

def die(connection, cursor, statement, *rest):
    if "CREATE TABLE events" in statement:
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(Engine, "after_cursor_execute", die)
Store(sys.argv[1], bytes(range(32)))
"""

DIES_WHILE_MAKING_ROOM = """
import os, signal, sys
from sqlalchemy import Engine, event
from penstock.store.store import Store

def die(connection, cursor, statement, *rest):
    if "DROP TABLE room" in statement:
        os.kill(os.getpid(), signal.SIGKILL)

store = Store(sys.argv[1], bytes(range(32)))
event.listen(Engine, "before_cursor_execute", die)
store.raise_term()
"""


def test_every_acknowledged_commit_survives_kill_9(
    url: str, key: bytes, another_process: Callable[..., Popen[str]]
) -> None:
    acknowledged = 0
    for lines in (1, 7, 23):
        writer = another_process(WRITER, url)
        assert writer.stdout is not None
        for _ in range(lines):
            acknowledged = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        rest = writer.communicate()[0].splitlines()
        acknowledged = max([acknowledged, *map(int, rest)])

        store = Store(url, key)
        with store.read() as tx:
            one, two = (tx.events.list(ClusterId(name)) for name in ("one", "two"))
        store.close()
        assert len(one) >= acknowledged
        assert [event.seq for event in one] == list(range(1, len(one) + 1))
        assert len(two) == len(one), "half a transaction is visible"


def test_a_kill_in_the_middle_of_the_first_migration_leaves_nothing_to_repair(
    url: str, key: bytes, another_process: Callable[..., Popen[str]]
) -> None:
    assert another_process(DIES_WHILE_MIGRATING, url).wait(30) == -signal.SIGKILL
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == [], "tables were committed one by one"
    engine.dispose()
    store = Store(url, key)
    with store.read() as tx:
        assert len(tx.identity.account()) == 12
    store.close()


def test_a_kill_while_room_is_made_keeps_no_later_control_plane_out(
    url: str, key: bytes, another_process: Callable[..., Popen[str]]
) -> None:
    assert another_process(DIES_WHILE_MAKING_ROOM, url).wait(30) == -signal.SIGKILL
    store = Store(url, key)
    store.raise_term()
    store.close()
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        assert "room" not in sa.inspect(connection).get_table_names()
    engine.dispose()
