"""One transaction: the sections of the store over one connection."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa

from penstock.store.clusters import Clusters
from penstock.store.configurations import Configurations
from penstock.store.events import Events
from penstock.store.identity import Identity
from penstock.store.operations import Operations
from penstock.store.queue import Queue
from penstock.store.seal import Seal
from penstock.store.secrets import Secrets
from penstock.store.subnets import Subnets


class Transaction:
    """All or nothing. Made by `Store.read` and `Store.write`, and of no use after their block."""

    def __init__(self, connection: sa.Connection, seal: Seal, clock: Callable[[], datetime]) -> None:
        self.clusters = Clusters(connection)
        self.configurations = Configurations(connection)
        self.operations = Operations(connection)
        self.events = Events(connection)
        self.secrets = Secrets(connection, seal)
        self.identity = Identity(connection, self.secrets)
        self.subnets = Subnets(connection)
        self.queue = Queue(connection, clock)
