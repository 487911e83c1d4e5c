"""What the composition root gives to the reconciler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from attrs import frozen

from penstock.compute.base import Compute
from penstock.control.cluster.act import Together
from penstock.control.cluster.admin import Admin
from penstock.control.cluster.layout import Frame
from penstock.control.cluster.observe import Probe
from penstock.model.node import Leaf, NodeSpec
from penstock.model.spec import ClusterSpec
from penstock.store.store import Store


@frozen
class Surroundings:
    """Everything outside, for all clusters."""

    store: Store
    compute: Compute
    clock: Callable[[], datetime]
    fence: int
    frame: Callable[[ClusterSpec], Frame]
    """Facts of the version, the home and the settings for a cluster; makes the cluster's authority where it has none."""
    connect: Callable[[ClusterSpec, Sequence[NodeSpec]], Admin]
    issue: Callable[[ClusterSpec, Leaf], bytes]
    patience: timedelta
    """A create that makes no progress for so long has failed."""
    operation_patience: timedelta
    """An operation that makes no progress for so long is given up, by the rule in `retreat.py`."""
    still_ours: Callable[[], bool]
    """Is this control plane still the one in charge? Asked right before acting."""
    probe: Probe | None = None
    """Looks at the certificate that a client listener shows."""
    together: Together = map
    """Runs the acts of several nodes beside each other."""
    keep_quarantined: timedelta | None = None
    """For how long the volumes of retired brokers are kept; None: until a person removes them."""
    network_address: str | None = None
    """The address of this machine on which all brokers listen for clients; None: each on its own."""
