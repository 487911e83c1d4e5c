"""The loop: one pass at a time on a resource, no wake-up lost, and no error that ends it."""

import threading
import time
from collections import Counter
from contextlib import contextmanager
from itertools import pairwise

import pytest

from penstock.control import loop as loops
from penstock.control.loop import QUIET, Loop, turn
from penstock.control.reconciler import Verdict

PATIENCE = 10.0


class Passes:
    """A reconciler that records its passes and does what the test says."""

    def __init__(self, what=lambda resource, count: Verdict(3600.0)):
        self._what = what
        self._changed = threading.Condition()
        self.begun: list[tuple[str, bool]] = []
        self.forgotten: list[str] = []
        self.at_once: dict[str, int] = {}
        self.most_at_once: dict[str, int] = {}

    def reconcile(self, resource, *, woken):
        with self._changed:
            self.begun.append((resource, woken))
            count = sum(name == resource for name, _ in self.begun)
            self.at_once[resource] = self.at_once.get(resource, 0) + 1
            self.most_at_once[resource] = max(self.most_at_once.get(resource, 0), self.at_once[resource])
            self._changed.notify_all()
        try:
            return self._what(resource, count)
        finally:
            with self._changed:
                self.at_once[resource] -= 1
                self._changed.notify_all()

    def forget(self, resource):
        with self._changed:
            self.forgotten.append(resource)
            self._changed.notify_all()

    def until(self, true):
        with self._changed:
            assert self._changed.wait_for(true, PATIENCE), (self.begun, self.forgotten)

    def count(self, resource):
        return sum(name == resource for name, _ in self.begun)


@contextmanager
def running(passes, *resources, workers=3, **options):
    loop = Loop(passes, workers=workers, **options)
    loop.start(resources)
    try:
        yield loop
    finally:
        loop.stop()


def test_it_begins_with_a_look_at_everything():
    passes = Passes()
    with running(passes, "a", "b") as loop:
        passes.until(lambda: len(passes.begun) == 2)
        assert loop.size() == 2
    assert sorted(passes.begun) == [("a", True), ("b", True)]


def test_the_next_pass_comes_when_the_last_one_said_and_is_not_called_woken():
    passes = Passes(lambda resource, count: Verdict(0.01 if count < 4 else 3600.0))
    with running(passes, "a"):
        passes.until(lambda: passes.count("a") == 4)
    assert passes.begun == [("a", True), ("a", False), ("a", False), ("a", False)]


def test_never_two_passes_on_one_resource_at_once_however_often_it_is_woken():
    passes = Passes(lambda resource, count: time.sleep(0.002) or Verdict(0.0 if count < 40 else 3600.0))
    with running(passes, "a", "b", workers=6) as loop:
        wakers = [threading.Thread(target=lambda: [loop.wake(name) for name in "ab" * 50]) for _ in range(4)]
        for thread in wakers:
            thread.start()
        passes.until(lambda: passes.count("a") >= 40 and passes.count("b") >= 40)
        for thread in wakers:
            thread.join()
    assert passes.most_at_once == {"a": 1, "b": 1}


def test_a_wake_up_during_a_pass_leads_to_another_pass():
    inside, go_on = threading.Event(), threading.Event()

    def held(resource, count):
        if count == 1:
            inside.set()
            assert go_on.wait(PATIENCE)
        return Verdict(3600.0)

    passes = Passes(held)
    with running(passes, "a") as loop:
        assert inside.wait(PATIENCE)
        loop.wake("a")
        loop.wake("a")
        go_on.set()
        passes.until(lambda: passes.count("a") == 2 and passes.at_once["a"] == 0)
    assert passes.begun == [("a", True), ("a", True)]


def test_a_wake_up_cuts_a_long_sleep_short():
    passes = Passes()
    with running(passes, "a") as loop:
        passes.until(lambda: passes.count("a") == 1 and passes.at_once["a"] == 0)
        loop.wake("a")
        passes.until(lambda: passes.count("a") == 2)


def test_a_frozen_resource_holds_up_nobody_else():
    go_on = threading.Event()
    passes = Passes(lambda resource, count: Verdict(3600.0) if resource == "quick" or go_on.wait(PATIENCE) else None)
    with running(passes, "slow", workers=2) as loop:
        passes.until(lambda: passes.count("slow") == 1)
        for done in range(1, 4):
            loop.wake("quick")
            passes.until(lambda done=done: passes.count("quick") == done and passes.at_once["quick"] == 0)
        go_on.set()


def test_whoever_is_woken_all_the_time_takes_no_turn_of_another():
    busy = [f"busy-{number}" for number in range(10)]

    def woken_again(resource, count):
        if resource in busy:
            loop.wake(resource)  # as by a process that ends while its cluster is looked at
        return Verdict(0.0)

    passes = Passes(woken_again)
    loop = Loop(passes, workers=1)
    loop.start([*busy, "quiet"])
    try:
        passes.until(lambda: len(passes.begun) >= 220)
    finally:
        loop.stop()
    names = [name for name, _ in passes.begun]
    assert {names.count(name) for name in (*busy, "quiet")} <= set(range(20, names.count("quiet") + 2))
    looks = [turn for turn, name in enumerate(names) if name == "quiet"]
    between = {later - earlier for earlier, later in pairwise(looks)}
    assert between == {len(busy) + 1}, "each of the others has one turn between two of its own"


def test_a_hundred_have_their_turns_while_ten_are_busy_and_ten_hang():
    go_on, hang = threading.Event(), {f"hangs-{number}" for number in range(10)}
    busy, quiet = {f"busy-{number}" for number in range(10)}, {f"quiet-{number}" for number in range(80)}

    def passed(resource, count):
        if resource in hang:
            assert go_on.wait(PATIENCE)
        if resource in busy:
            loop.wake(resource)
        return Verdict(0.0)

    def everybody():
        looked = Counter(name for name, _ in passes.begun)
        return all(looked[name] >= 3 for name in (*quiet, *busy))

    passes = Passes(passed)
    loop = Loop(passes)
    loop.start([*hang, *busy, *quiet])
    try:
        passes.until(everybody)
        hanging = {passes.count(name) for name in hang}
    finally:
        go_on.set()
        loop.stop()
    assert hanging == {1}


def test_a_pass_that_raises_is_tried_again_and_takes_nobody_along(monkeypatch):
    monkeypatch.setattr(loops, "AFTER_AN_ERROR", 0.01)

    def broken(resource, count):
        if resource == "broken" and count < 3:
            raise RuntimeError("boom")
        return Verdict(3600.0)

    passes = Passes(broken)
    with running(passes, "broken", workers=1) as loop:
        passes.until(lambda: passes.count("broken") == 3)
        loop.wake("other")
        passes.until(lambda: passes.count("other") == 1)


def test_a_resource_that_cannot_be_forgotten_takes_nobody_along():
    class Sticky(Passes):
        def forget(self, resource):
            super().forget(resource)
            raise OSError("it does not close")

    passes = Sticky(lambda resource, count: Verdict(None if resource == "gone" else 3600.0))
    with running(passes, "gone", workers=1) as loop:
        passes.until(lambda: passes.forgotten == ["gone"])
        loop.wake("other")
        passes.until(lambda: passes.count("other") == 1)


def test_a_resource_that_is_gone_is_forgotten_and_can_come_again():
    passes = Passes(lambda resource, count: Verdict(None if count == 1 else 3600.0))
    with running(passes, "a") as loop:
        passes.until(lambda: passes.forgotten == ["a"])
        passes.until(lambda: loop.size() == 0)
        loop.wake("a")
        passes.until(lambda: passes.count("a") == 2)


def test_a_resource_that_was_woken_while_it_went_is_looked_at_once_more():
    inside, go_on = threading.Event(), threading.Event()

    def going(resource, count):
        if count == 1:
            inside.set()
            assert go_on.wait(PATIENCE)
        return Verdict(None)

    passes = Passes(going)
    with running(passes, "a") as loop:
        assert inside.wait(PATIENCE)
        loop.wake("a")
        go_on.set()
        passes.until(lambda: passes.forgotten == ["a"])
        assert passes.count("a") == 2


def test_stopping_waits_for_the_pass_under_way_and_leaves_no_thread():
    before = threading.active_count()
    finished = []
    passes = Passes(lambda resource, count: time.sleep(0.1) or finished.append(resource) or Verdict(0.0))
    with running(passes, "a", workers=2):
        passes.until(lambda: passes.count("a") >= 1)
    assert len(finished) == len(passes.begun)
    assert threading.active_count() == before


@pytest.mark.parametrize("workers", [1, 4])
def test_each_pass_is_timed(workers):
    taken = []
    passes = Passes()
    with running(passes, "a", "b", workers=workers, observe=taken.append):
        passes.until(lambda: len(passes.begun) == 2)
    assert len(taken) == 2
    assert all(seconds >= 0 for seconds in taken)


def test_others_hear_of_a_resource_that_is_gone_and_may_fail_at_it():
    heard = []

    def gone(resource):
        heard.append(resource)
        raise OSError("a connection that would not close")

    passes = Passes(lambda resource, count: Verdict(None if resource == "a" else 0.01))
    with running(passes, "a", "b", workers=1, gone=gone):
        passes.until(lambda: passes.count("b") > 3)
    assert heard == ["a"]


def test_of_all_workers_that_wait_one_minds_the_clock(monkeypatch):
    looked_up = Counter()

    def counted():
        looked_up[threading.current_thread().name] += 1
        return boot_seconds()

    boot_seconds = loops.boot_seconds
    monkeypatch.setattr(loops, "boot_seconds", counted)
    passes = Passes(lambda resource, count: Verdict(0.01 if count < 30 else 3600.0))
    with running(passes, "a", workers=12):
        passes.until(lambda: passes.count("a") == 30)
    assert looked_up.total() < 30 * 6, "each look woke every worker"


def test_nobody_is_forgotten_where_one_minds_the_clock():
    late: list[float] = []
    due: dict[str, float] = {}

    def passed(resource, count):
        late.append(time.monotonic() - due.get(resource, time.monotonic()))
        pause = (1 + (len(late) * 7) % 11) / 200
        due[resource] = time.monotonic() + pause
        return Verdict(pause)

    passes = Passes(passed)
    with running(passes, *(f"r{number}" for number in range(7)), workers=4):
        passes.until(lambda: len(late) >= 300)
    assert max(late) < 5.0


def test_whoever_minded_the_clock_and_is_held_up_leaves_it_to_another():
    def passed(resource, count):
        if resource == "held" and count < 20:
            before = passes.count("other")
            passes.until(lambda: passes.count("other") > before)
        return Verdict(0.01)

    passes = Passes(passed)
    with running(passes, "held", "other", workers=2):
        passes.until(lambda: passes.count("held") >= 20)


def test_those_that_are_quiet_have_turns_of_their_own_in_a_round():
    names = [f"cluster-{number}" for number in range(100)]
    began = 1234.5
    turns = {name: turn(name, began + QUIET) for name in names}
    assert all(began < at <= began + QUIET for at in turns.values())
    for quarter in range(4):
        lowest = began + quarter * QUIET / 4
        assert 15 <= sum(lowest < at <= lowest + QUIET / 4 for at in turns.values()) <= 35
    for name, at in turns.items():
        assert turn(name, at + 0.003 + QUIET) == pytest.approx(at + QUIET), "a round after its last turn"
