"""Steps are facts read from the view; what a user saw done stays done."""

from attrs import evolve
from fakes.views import ago, broker, controller, three_brokers

from penstock.control.cluster.outcome import complete, running
from penstock.control.cluster.steps import STEPS, finished, progress
from penstock.model.observation import Known, Unknown
from penstock.model.operation import OpenOperation, OperationKind, OperationState, Step
from penstock.model.volume import GIB, VolumeKind, VolumeUse


def shown(seen, before=()):
    steps = progress(seen.view, evolve(seen.view.operation, steps=tuple(before)))
    return [(step.name, step.status) for step in steps]


def rebooted(seen, number=1):
    """The broker's new run is there."""
    return seen.with_run(broker(number), revision=seen.view.node(broker(number)).revision, since=ago(1))


def test_a_reboot_from_begin_to_end():
    seen = three_brokers().rebooting(1)
    begun = [("RESTART_BROKER", "IN_PROGRESS"), ("REJOIN_CLUSTER", "PENDING")]
    assert shown(seen) == begun
    assert shown(seen.killed(broker(1))) == begun
    restarted = [("RESTART_BROKER", "COMPLETED"), ("REJOIN_CLUSTER", "IN_PROGRESS")]
    assert shown(rebooted(seen).fenced(1)) == restarted
    assert shown(rebooted(seen).out_of_sync(1)) == restarted
    assert shown(rebooted(seen)) == [("RESTART_BROKER", "COMPLETED"), ("REJOIN_CLUSTER", "COMPLETED")]


def test_a_run_that_the_controllers_only_believe_in_because_of_the_last_one_has_not_rejoined():
    """Restarted within its old session: registered, in sync, and not there."""
    assert shown(rebooted(three_brokers().rebooting(1)).silent(broker(1), 0))[1] == ("REJOIN_CLUSTER", "IN_PROGRESS")


def test_steps_never_go_backwards():
    before = [Step("RESTART_BROKER", "COMPLETED"), Step("REJOIN_CLUSTER", "IN_PROGRESS")]
    assert shown(three_brokers().rebooting(1).killed(broker(1)), before) == [
        ("RESTART_BROKER", "COMPLETED"),
        ("REJOIN_CLUSTER", "IN_PROGRESS"),
    ]


def test_a_later_step_is_not_done_before_an_earlier_one():
    assert shown(three_brokers().rebooting(1))[1] == ("REJOIN_CLUSTER", "PENDING")


def test_nothing_is_finished_while_partitions_are_not_seen_or_another_node_is_away():
    assert shown(rebooted(three_brokers().rebooting(1)).only(2))[1][1] == "IN_PROGRESS"
    assert shown(rebooted(three_brokers().rebooting(1)).behind(controller(2)))[1][1] == "IN_PROGRESS"


def test_finished_means_every_step():
    assert finished((Step("a", "COMPLETED"), Step("b", "COMPLETED")))
    assert not finished((Step("a", "COMPLETED"), Step("b", "IN_PROGRESS")))


def test_every_kind_has_steps_and_words_for_its_states():
    for kind in OperationKind:
        assert STEPS[kind]
        assert running(kind).open
        assert not complete(kind).open


def updating(seen, kind, **target):
    return seen.but(operation=OpenOperation("op-1", kind, OperationState.PENDING, ago(1), target))


def rolled(seen, *numbers):
    """These brokers run as the new spec says; the others as the old one did."""
    for number in numbers:
        seen = rebooted(seen, number)
    return seen


def test_a_roll_is_done_when_every_node_runs_the_new_revision_and_all_is_in_sync():
    seen = updating(three_brokers(), OperationKind.UPDATE_BROKER_TYPE).with_spec(instance_type="kafka.m7g.xlarge")
    begun = [("ROLL_BROKERS", "IN_PROGRESS"), ("SET_DYNAMIC_PROPERTIES", "PENDING"), ("REJOIN_CLUSTER", "PENDING")]
    assert shown(seen) == begun
    assert shown(rolled(seen, 1, 2)) == begun
    assert shown(rolled(seen, 1, 2, 3).killed(broker(3))) == begun
    assert shown(rolled(seen, 1, 2, 3).out_of_sync(3))[-1] == ("REJOIN_CLUSTER", "IN_PROGRESS")
    assert shown(rolled(seen, 1, 2, 3).behind(controller(2)))[-1] == ("REJOIN_CLUSTER", "IN_PROGRESS")
    assert finished(progress(rolled(seen, 1, 2, 3).view, seen.view.operation))


def test_properties_are_set_when_every_broker_says_so():
    live = {"message.max.bytes": "2000000", "log.retention.ms": "7200000"}
    seen = updating(three_brokers(), OperationKind.UPDATE_CLUSTER_CONFIGURATION, live=live)

    def step(*settings):
        told = dict(enumerate((each if isinstance(each, Unknown) else Known(each) for each in settings), 1))
        return shown(seen.but(settings=told))[1]

    done, waits = ("SET_DYNAMIC_PROPERTIES", "COMPLETED"), ("SET_DYNAMIC_PROPERTIES", "IN_PROGRESS")
    assert step(live, live, live) == done
    assert step(live, {**live, "message.max.bytes": "1048588"}, live) == waits
    assert step(live, live, {**live, "log.retention.ms": None}) == waits
    assert step(live, live, {"log.retention.ms": "7200000"}) == waits
    assert step(live, Unknown("node 2 did not answer"), live) == waits
    assert step() == waits, "no broker was asked"


def test_where_nothing_is_set_at_run_time_nobody_has_to_say_so():
    for target in ({}, {"live": {}}):
        seen = updating(three_brokers(), OperationKind.UPDATE_CLUSTER_CONFIGURATION, **target)
        assert finished(progress(seen.view, seen.view.operation))


def details(seen, before=()):
    """What is told of each step beside its status."""
    return [step.detail for step in progress(seen.view, evolve(seen.view.operation, steps=tuple(before)))]


class TestWhichPropertyGoesWhichWay:
    LIVE = {"message.max.bytes": "2000000", "log.retention.ms": "7200000"}
    OLD = {"message.max.bytes": "1048588", "log.retention.ms": None}

    def configuring(self, settings, live=LIVE, restart=(), kind=OperationKind.UPDATE_CLUSTER_CONFIGURATION):
        told = {number: Known(settings) for number in (1, 2, 3)}
        target = {"live": live} | ({} if restart is None else {"restart": list(restart)})
        return updating(three_brokers(), kind, **target).but(settings=told)

    def test_all_at_run_time(self):
        seen = self.configuring(self.OLD)
        assert details(seen) == ["nothing needs a restart", "log.retention.ms, message.max.bytes", ""]
        assert str(progress(seen.view, seen.view.operation)[0]) == "COMPLETED: nothing needs a restart"

    def test_all_by_a_restart(self):
        seen = self.configuring({}, {}, ("num.partitions", "offsets.retention.minutes"))
        assert details(seen) == ["for num.partitions, offsets.retention.minutes", "nothing to set", ""]
        begun = seen.with_spec(instance_type="kafka.m7g.xlarge")
        assert details(begun) == ["for num.partitions, offsets.retention.minutes", "", ""]

    def test_it_is_told_still_when_it_is_done(self):
        begun = self.configuring(self.OLD)
        done = self.configuring(self.LIVE)
        assert details(done, progress(begun.view, begun.view.operation)) == details(begun)

    def test_what_brokers_have_from_the_files_of_their_restart_is_not_called_set_at_run_time(self):
        restart = ("num.partitions",)
        half = self.configuring({**self.OLD, "message.max.bytes": "2000000"}, restart=restart)
        assert details(half)[1] == "log.retention.ms; with the restart came message.max.bytes"
        whole = self.configuring(self.LIVE, restart=restart)
        assert details(whole)[1] == "nothing left to set; with the restart came log.retention.ms, message.max.bytes"

    def test_a_thread_pool_tells_its_steps(self):
        present, live = {"num.io.threads": "8", "num.network.threads": "5"}, {"num.network.threads": "9"}
        assert details(self.configuring(present, {"num.io.threads": "32", **live}))[1] == (
            "num.io.threads (in steps: 16, 32), num.network.threads"
        )

    def test_of_many_the_first_are_named(self):
        names = [f"property.{number}" for number in range(8)]
        assert details(self.configuring({}, {}, names))[0] == (
            "for property.0, property.1, property.2, property.3, property.4 and 3 more"
        )

    def test_while_brokers_do_not_say_what_they_have_nothing_is_claimed(self):
        seen = self.configuring(self.OLD)
        silent = seen.but(settings={**seen.view.settings, 2: Unknown("node 2 did not answer")})
        assert details(silent)[1] == ""

    def test_a_larger_type_has_its_threads_from_its_restart(self):
        live = {"num.io.threads": "16"}
        seen = self.configuring(live, live, None, OperationKind.UPDATE_BROKER_TYPE)
        assert details(seen)[:2] == ["", "nothing left to set; with the restart came num.io.threads"]


def test_volumes_have_grown_when_every_broker_has_the_size():
    seen = updating(three_brokers(), OperationKind.UPDATE_BROKER_EBS_VOLUME).with_spec(volume_gib=200)
    for sizes, status in (
        ((200, 200, 200), "COMPLETED"),
        ((200, 500, 200), "COMPLETED"),
        ((200, 199, 200), "IN_PROGRESS"),
        ((200, None, 200), "IN_PROGRESS"),
    ):
        grown = seen
        for number, size in enumerate(sizes, 1):
            volume = None if size is None else VolumeUse(VolumeKind.DIRECTORY, size * GIB, 0, 1000 * GIB)
            grown = grown.with_run(broker(number), volume=volume)
        assert shown(grown) == [("GROW_VOLUMES", status)], sizes
    assert shown(seen.killed(broker(1))) == [("GROW_VOLUMES", "IN_PROGRESS")]


def test_what_is_only_kept_is_done_at_once():
    seen = updating(three_brokers(), OperationKind.UPDATE_CLUSTER_MONITORING, EnhancedMonitoring="PER_BROKER")
    assert shown(seen) == [("KEEP_SETTINGS", "COMPLETED")]
