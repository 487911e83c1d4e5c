"""What a client shows to listeners that ask who it is: a certificate of limited life, renewed while the client lives."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from datetime import datetime

from attrs import define, field

from penstock.pki.leaves import renewal_due, validity


@define
class ClientCertificate:
    """Called for each new connection: the context to shake hands with.

    Invariant: no connection begins with a certificate whose life is more than two thirds over. One that is open already
    goes on with what it began with: TLS looks at certificates in the handshake alone. Threads may share it."""

    _issue: Callable[[datetime], bytes]
    """A fresh PEM of key and chain, valid from that time on."""
    _context: Callable[[bytes], ssl.SSLContext]
    """What is made of one."""
    _clock: Callable[[], datetime]
    _lock: threading.Lock = field(factory=threading.Lock, init=False)
    _current: tuple[ssl.SSLContext, datetime, datetime] | None = field(default=None, init=False)
    """The context, and the life of its certificate."""

    def __call__(self) -> ssl.SSLContext:
        """Raises AuthorityError where no certificate can be issued any more."""
        with self._lock:
            now = self._clock()
            if self._current is None or renewal_due(*self._current[1:], now):
                pem = self._issue(now)
                self._current = (self._context(pem), *validity(pem))
            return self._current[0]
