"""What the store refuses, in sentences: what, why, what to do."""

from __future__ import annotations


class StoreError(Exception):
    """Base of all errors of the store."""


class NameTaken(StoreError):
    """A resource of that kind and name lives in that account and region."""


class QuotaReached(StoreError):
    """There are as many of that kind as there may be."""


class OperationInProgress(StoreError):
    """The cluster has an open operation; there is never more than one."""


class NoSuchCluster(StoreError):
    """The cluster is not there, or not any more."""


class WrongKey(StoreError):
    """Sealed columns do not open with the key that was given."""


class NewerStore(StoreError):
    """The store was written by a Penstock whose migrations this one does not have."""


class Superseded(StoreError):
    """Another control plane has raised the term since; this one is not in charge any more and may not write."""
