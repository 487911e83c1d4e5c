"""The store of a home: transactions over one database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy.exc import DatabaseError, IntegrityError

from penstock.model.ids import ClusterId
from penstock.store.dialect import advice, begun, connect, make_room
from penstock.store.errors import StoreError, Superseded
from penstock.store.migration import migrate
from penstock.store.seal import KEY_BYTES, Seal
from penstock.store.transaction import Transaction


def _nobody(cluster: ClusterId) -> None:
    """For a store that no loop listens to."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Store:
    """Everything that must survive a crash. Safe to use from many threads, and from several processes at once.

    Invariant: what `write` committed is on the disk; what it did not commit never happened. A store whose term was
    raised by another control plane refuses to write (Superseded)."""

    def __init__(
        self,
        url: str,
        key: bytes,
        on_wake: Callable[[ClusterId], None] = _nobody,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        """Open the store, making or migrating it first where needed. `key` is what seal.load_key returned; `on_wake` is
        called after a commit, in the thread that wrote. Raises StoreError (WrongKey, NewerStore)."""
        if len(key) != KEY_BYTES:
            raise ValueError(f"a sealing key has {KEY_BYTES} bytes, not {len(key)}")
        self._seal = Seal(key)
        self._on_wake = on_wake
        self._clock = clock
        self._term: int | None = None
        self._writer = threading.Lock()
        self._writing = threading.local()
        self._engine = connect(url)
        try:
            with _sentences():
                migrate(self._engine)
            self._found()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """One writing transaction: committed at the end of the block, rolled back when the block raises.

        Writers wait for each other; keep the block short. Raises StoreError where nothing can be written."""
        if getattr(self._writing, "now", False):
            raise RuntimeError("A writing transaction is open in this thread already: pass that one on.")
        # SQLite's own waiting polls; between the threads of one process a lock is quicker and fair.
        with self._writer, _sentences(), begun(self._engine, writes=True) as connection:
            self._writing.now = True
            try:
                transaction = Transaction(connection, self._seal, self._clock)
                self._still_in_charge(transaction)
                yield transaction
            finally:
                self._writing.now = False
        for cluster in transaction.queue.woken:
            self._on_wake(cluster)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """One consistent look: nothing that is committed meanwhile shows. A write in it fails."""
        with _sentences(), begun(self._engine, writes=False) as connection:
            yield Transaction(connection, self._seal, self._clock)

    def raise_term(self) -> int:
        """Begin a new term, once for each start of the control plane: the fence that providers compare.

        From now on this store writes only while no other has begun a newer one."""
        self._term = None
        with self.write() as transaction:
            term = transaction.identity.term() + 1
            transaction.identity.put_term(term)
        self._term = term
        with _sentences():
            make_room(self._engine)
        return term

    def term(self) -> int:
        """The newest term of this home; 0 before the first start."""
        with self.read() as transaction:
            return transaction.identity.term()

    def close(self) -> None:
        """Let go of the database. Nothing is lost without it."""
        self._engine.dispose()

    def _found(self) -> None:
        with self.read() as transaction:
            if transaction.identity.founded():
                transaction.identity.root_key()  # a wrong sealing key shows here, at the start
                return
        with self.write() as transaction:
            if not transaction.identity.founded():
                transaction.identity.found()
            transaction.identity.root_key()

    def _still_in_charge(self, transaction: Transaction) -> None:
        if self._term is None:
            return
        newest = transaction.identity.term()
        if newest != self._term:
            raise Superseded(
                f"This control plane (term {self._term}) is not in charge of the home any more: another one began term "
                f"{newest}. Stop this one."
            )


@contextmanager
def _sentences() -> Iterator[None]:
    """Say in a sentence what the engine says in codes."""
    try:
        yield
    except IntegrityError:
        raise  # a mistake in the caller's rows, not in the store's circumstances
    except DatabaseError as error:
        said = str(error.orig)
        raise StoreError(f"The store did not do it: {said}. {advice(said)}") from error
