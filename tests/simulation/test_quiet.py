"""What a cluster costs in which nothing happens: a home may hold a hundred of them."""

import sys
from pathlib import Path

from attrs import evolve

from penstock.control.cluster import rebalance
from penstock.kafka.wire import KafkaUnreachable

PLANNING = str(Path(rebalance.__file__).parent)
PASSES = 40
"""Some of them look at partitions too, and lay the nodes out anew."""


class Writes:
    """The store, with every writing transaction counted."""

    def __init__(self, store):
        self._store = store
        self.count = 0

    def write(self):
        self.count += 1
        return self._store.write()

    def __getattr__(self, name):
        return getattr(self._store, name)


def planned(run):
    """Names of the functions that plan moves of replicas, each time that `run` calls one."""
    calls = []

    def called(frame, event, _):
        if event == "call" and frame.f_code.co_filename.startswith(PLANNING):
            calls.append(frame.f_code.co_name)

    sys.setprofile(called)
    try:
        run()
    finally:
        sys.setprofile(None)
    return calls


def watched(play):
    writes = Writes(play.store)
    play.plane._around = evolve(play.plane._around, store=writes)
    return writes


def test_a_quiet_cluster_is_looked_at_and_nothing_is_written_and_nothing_planned(play):
    play.run(60)
    writes, before, acts = watched(play), play.passes, len(play.machine.verbs)
    calls = planned(lambda: play.run(2.0 * PASSES))
    assert PASSES - 2 <= play.passes - before <= PASSES + 2
    assert (writes.count, calls, play.machine.verbs[acts:]) == (0, [], [])


def test_that_would_be_seen(play):
    writes = watched(play)
    play.scale_out()
    calls = planned(play.settle)
    assert writes.count > 5
    assert "next_moves" in calls


def test_a_cluster_that_does_not_answer_writes_that_once(play, monkeypatch):
    play.run(60)

    def silent(*_):
        raise KafkaUnreachable("no node answered")

    monkeypatch.setattr(type(play.kafka), "quorum", silent)
    play.run(10)
    writes = watched(play)
    play.run(60)
    assert writes.count == 0
