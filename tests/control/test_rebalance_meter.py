"""What is measured from look to look: copied bytes, who writes, and how long producers wait."""

from datetime import timedelta

from attrs import define, evolve, field
from fakes.views import NOW

from penstock.control.cluster.rebalance.meter import Glimpse, Meter
from penstock.control.cluster.rebalance.pace import BEGINNING, MIB
from penstock.model.rebalance import BrokerFacts, Facts, PartitionFacts

FREE = {1: None, 2: None, 4: None}
CALM = (2.0, 2.0, 2.0, 2.1, 2.2, 3.0)


def part(size=100 * MIB, topic="t", **more):
    return PartitionFacts(topic, 0, more.pop("replicas", (1, 2)), 1, more.pop("isr", (1, 2)), size, **more)


def moving(arrived, size=100 * MIB, **more):
    return part(size, replicas=(4, 2, 1), adding=(4,), removing=(1,), arrived={4: arrived}, **more)


@define
class Course:
    """Looks a second apart."""

    meter: Meter = field(factory=lambda: Meter("op-1"))
    now: object = NOW
    calm_ms: float | None = None

    def look(self, *partitions, limits=FREE, records=CALM, after=1.0, canary=True, trouble=""):
        self.now += timedelta(seconds=after)
        facts = Facts(tuple(BrokerFacts(n, "a", 10**12, 0) for n in (1, 2, 4)), partitions)
        return self.meter.look(facts, Glimpse(limits, {}, canary, records, trouble), self.calm_ms, self.now)


def limited(rate):
    return dict.fromkeys(FREE, rate)


def test_what_is_copied_is_known_from_the_second_look_on():
    course = Course()
    assert course.look(moving(10 * MIB)).copied is None
    assert course.look(moving(30 * MIB), after=2.0).copied == 10 * MIB
    assert course.look(part(replicas=(4, 2)), after=2.0).copied == 22.5 * MIB, "what arrived with the end counts too"
    for _ in range(12):
        idle = course.look(part(replicas=(4, 2)))
    assert idle.copied == 0


def test_after_a_restart_what_had_arrived_before_is_no_speed():
    assert Course().look(moving(90 * MIB)).copied is None
    course = Course()
    course.look(moving(90 * MIB))
    assert course.look(moving(91 * MIB)).copied == MIB


def test_a_move_that_was_taken_back_copied_nothing():
    course = Course()
    course.look(moving(10 * MIB))
    assert course.look(part()).copied == 0


def test_it_takes_a_moment_to_know_what_is_calm():
    course = Course()
    found = [course.look(part()).calm_ms for _ in range(5)]
    assert found[:3] == [None, None, None]
    assert found[-1] == 3.0, "a high quantile"


def test_what_an_earlier_control_plane_wrote_down_is_calm():
    course = Course(calm_ms=7.0)
    seen = course.look(moving(0), limits=limited(1000))
    assert (seen.calm_ms, seen.measured) == (7.0, True)


def test_where_moves_went_on_already_it_is_not_known_what_is_calm():
    seen = Course().look(moving(0))
    assert "moved already" in seen.unmeasured
    assert seen.measured


def test_a_canary_that_does_not_work_is_waited_for_only_a_while():
    course = Course()
    seen = [course.look(part(), records=(), trouble="no leader") for _ in range(16)]
    assert not seen[10].measured
    assert seen[-1].unmeasured == "the canary did not tell how long producers wait: no leader"


def test_beside_producers_it_begins_moderate_and_without_them_nothing_is_limited():
    course = Course()
    assert course.look(part()).rate == BEGINNING, "at first it is not known whether anybody writes"
    assert course.look(part()).rate is None
    assert course.look(part(101 * MIB)).rate == BEGINNING
    own = Course()
    own.look(part(topic="__amazon_msk_canary"))
    assert own.look(part(101 * MIB, topic="__amazon_msk_canary")).rate is None, "the canary is no client"


def test_that_somebody_produces_is_told_by_two_looks_and_that_nobody_does_by_a_second():
    course = Course()
    found = [course.look(part(), after=after).writing for after in (1.0, 0.0, 0.05, 0.5)]
    assert found == [None] * 4, "a producer may write less often than that"
    assert course.look(part(), after=0.5).writing is False
    assert course.look(part(), after=0.25).writing is False, "and then it stays known"
    busy = Course()
    busy.look(part())
    assert busy.look(part(100 * MIB + 1), after=0.05).writing is True
    busy.look(part(100 * MIB + 1), after=60.0)
    assert busy.look(part(100 * MIB + 1), after=0.05).writing is None, "after a pause it is seen anew"


def test_who_begins_to_produce_while_it_goes_at_full_speed_is_given_way_to():
    course = Course(calm_ms=2.0)
    course.look(moving(0))
    assert course.look(moving(50 * MIB)).rate is None
    assert course.look(moving(90 * MIB, 101 * MIB)).rate == BEGINNING


def test_an_earlier_control_planes_rate_is_gone_on_from():
    assert Course(calm_ms=2.0).look(moving(0), limits=limited(int(9 * MIB))).rate == 9 * MIB


def strained(course, rate, times, records=(50.0,) * 9, size=100 * MIB):
    found = []
    for _ in range(times):
        size += MIB
        seen = course.look(moving(10 * MIB, size), limits=limited(rate), records=records)
        rate = seen.rate
        found.append(rate // MIB)
    return found


def test_the_rate_is_lowered_soon_and_raised_seldom_by_what_was_felt_since():
    found = strained(Course(calm_ms=2.0), int(64 * MIB), 10)
    assert found == [64, 64, 64, 16, 16, 16, 4, 4, 4, 4], "nothing was copied here, so each time by the most"
    easy = strained(Course(calm_ms=2.0), int(64 * MIB), 12, records=CALM[:5] * 3)
    assert easy == [64] * 10 + [96, 96], "each change costs producers something"
    few = strained(Course(calm_ms=2.0), int(64 * MIB), 6, records=())
    assert few == [64, 64, 64, 32, 32, 32], "nothing was felt, and somebody writes"


def test_a_rate_that_hurt_is_not_tried_again_for_a_while():
    course = Course(calm_ms=2.0)
    assert strained(course, int(64 * MIB), 4)[-1] == 16
    found = strained(course, int(16 * MIB), 100, records=CALM[:5] * 3, size=104 * MIB)
    assert max(found[:50]) == 48
    assert found[-1] > 64, "it may have been something else"


def test_what_producers_feel_of_the_change_itself_does_not_count():
    course, rate = Course(calm_ms=2.0), int(64 * MIB)
    course.look(moving(0, 100 * MIB), limits=limited(rate))
    course.look(moving(0, 101 * MIB), limits=limited(rate), records=(500.0,) * 99, after=0.9)
    assert course.look(moving(0, 102 * MIB), limits=limited(rate), records=CALM * 4, after=2.5).rate == rate


def test_what_was_steered_to_holds_from_one_batch_of_moves_to_the_next():
    course = Course(calm_ms=2.0)
    rate = strained(course, int(64 * MIB), 4)[-1]
    assert course.look(part(105 * MIB), limits=limited(rate * MIB)).rate == rate * MIB


def test_the_limit_that_was_set_before_it_was_known_that_nobody_writes_does_not_stay():
    course = Course()
    first = course.look(part())
    assert (first.writing, first.rate) == (None, BEGINNING)
    second = course.look(part(), limits=limited(first.rate))
    assert (second.writing, second.rate) == (False, None)


def test_rates_are_measured_once_so_that_a_plan_does_not_follow_each_fluctuation():
    course = Course()
    size = 100 * MIB
    for _ in range(5):
        size += MIB
        course.look(part(size))
    assert course.meter.rates == {("t", 0): MIB}
    for _ in range(5):
        size += 9 * MIB
        course.look(part(size))
    assert course.meter.rates == {("t", 0): MIB}


def test_the_rate_stays_above_what_producers_write_to_what_moves():
    course = Course(calm_ms=2.0)
    size = 100 * MIB
    for _ in range(20):
        size += 20 * MIB
        seen = course.look(moving(10 * MIB, size), limits=limited(int(64 * MIB)), records=(99.0,) * 9)
    assert seen.rate == 30 * MIB


def test_nothing_is_concluded_over_a_pause():
    course = Course()
    course.look(moving(10 * MIB))
    assert course.look(moving(90 * MIB), after=60.0).copied is None


def test_lagging_replicas_slow_it_down():
    course = Course(calm_ms=2.0)
    rate = int(64 * MIB)
    for _ in range(4):
        rate = course.look(moving(10 * MIB, isr=(1,)), limits=limited(rate)).rate
    assert rate < 64 * MIB
    assert evolve(part(), isr=(1,)).isr == (1,)
