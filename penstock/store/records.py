"""What the store answers with: frozen records, one for each kind of row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import field, frozen

from penstock.model.ids import ClusterId
from penstock.model.operation import OpenOperation, OperationKind, OperationState, Step, Work
from penstock.model.spec import ClusterSpec, ClusterStatus
from penstock.store.versions import current_version


@frozen
class ClusterRecord:
    """A live cluster: what is desired, what was last computed, and how often the desired was changed."""

    spec: ClusterSpec
    status: ClusterStatus
    version: int

    @property
    def current_version(self) -> str:
        """MSK's opaque `CurrentVersion`: another string after every change of `version`."""
        return current_version(self.spec.id, self.version)


@frozen
class PastCluster:
    """What history keeps of a forgotten cluster."""

    id: ClusterId
    name: str
    arn: str
    created: datetime
    forgotten: datetime
    last_words: str
    """Why and how it went, in a sentence."""
    quarantined: tuple[str, ...]
    """Where volumes lie that were kept, because their owner was in doubt."""


@frozen
class OperationRecord:
    """A cluster operation, open or ended (`ended` is None exactly while it is open)."""

    id: str
    cluster: ClusterId
    kind: OperationKind
    state: OperationState
    started: datetime
    ended: datetime | None
    source: Mapping[str, Any]
    target: Mapping[str, Any]
    steps: tuple[Step, ...]
    client_request_id: str
    error_code: str | None
    error_string: str | None
    work: Work = Work()

    @property
    def as_open(self) -> OpenOperation:
        """The part of it that the loop works on."""
        return OpenOperation(
            self.id, self.kind, self.state, self.started, self.target, self.steps, self.work, self.source
        )


@frozen
class RevisionRecord:
    """One revision of a configuration; it never changes."""

    revision: int
    created: datetime
    description: str | None
    properties: bytes = field(repr=False)
    """As the user gave them, byte for byte."""


@frozen
class ConfigurationRecord:
    """A configuration. Its revisions count from 1 without a gap; `latest` is the last."""

    arn: str
    account: str
    region: str
    name: str
    created: datetime
    kafka_versions: tuple[str, ...]
    """The versions that it was made for; none: any."""
    description: str | None
    """The last that was given."""
    latest: RevisionRecord
    tags: Mapping[str, str] = field(factory=dict)


@frozen
class EventRecord:
    """A sentence of a cluster's history. `seq` counts up from 1 inside the cluster."""

    seq: int
    at: datetime
    level: str
    sentence: str


@frozen
class AccessKey:
    """An AWS-shaped access key of this home."""

    id: str
    account: str
    secret: str = field(repr=False)
