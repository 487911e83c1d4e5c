"""One file per duty, in the order in which they speak. A list is an architecture."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from penstock.control.cluster.draft import Draft
from penstock.control.cluster.rules.ballast import ballast
from penstock.control.cluster.rules.bootstrap import bootstrap
from penstock.control.cluster.rules.certificates import certificates
from penstock.control.cluster.rules.configuration import configuration
from penstock.control.cluster.rules.leaders import leaders
from penstock.control.cluster.rules.quarantine import quarantine
from penstock.control.cluster.rules.rebalance import rebalance
from penstock.control.cluster.rules.registration import registration
from penstock.control.cluster.rules.relief import relief
from penstock.control.cluster.rules.remount import remount
from penstock.control.cluster.rules.removal import removal
from penstock.control.cluster.rules.replace import replace
from penstock.control.cluster.rules.revision import revision
from penstock.control.cluster.rules.revive import revive
from penstock.control.cluster.rules.roll import roll
from penstock.control.cluster.rules.scale_in import scale_in
from penstock.control.cluster.rules.storage import storage
from penstock.control.cluster.rules.thaw import thaw
from penstock.model.observation import ClusterView
from penstock.model.plan import Plan

Rule = Callable[[ClusterView, Draft, datetime], None]

RULES: tuple[Rule, ...] = (
    removal,  # what should not exist goes
    bootstrap,  # what was never started starts
    relief,  # what ended in a full volume gets room to start in
    revive,  # what ended starts again
    replace,  # what lost its storage gets a new one, where others have the data
    thaw,  # what does no work is ended, so that it can start again
    registration,  # what runs and cannot come to serve is restarted; what advances is waited for
    remount,  # what cannot be written to is mounted afresh, once
    certificates,  # what expires is renewed
    storage,  # what is too small grows
    revision,  # what runs an older revision is to be restarted
    roll,  # what is to be restarted is, batch by batch, safely
    configuration,  # what Kafka takes at run time is set at run time
    rebalance,  # partitions take their share of brokers that joined
    scale_in,  # what is empty and to leave is stopped, written out and cleared away
    leaders,  # leaders go where they belong
    ballast,  # what has room for another day's ballast gets it
    quarantine,  # what retired brokers left goes after its time
)


def plan(view: ClusterView, now: datetime) -> tuple[Plan, int]:
    """What to do about this view, and how deep a look the rules want. Pure."""
    draft = Draft(view)
    for rule in RULES:
        rule(view, draft, now)
    return draft.plan(), draft.depth
