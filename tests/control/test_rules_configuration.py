"""Properties that Kafka takes at run time: when they are set, to what, and what is waited for."""

from fakes.views import ago, broker, three_brokers
from inline_snapshot import snapshot

from penstock.control.cluster.rules.configuration import configuration, same
from penstock.model.action import Configure
from penstock.model.observation import Known, Unknown
from penstock.model.operation import OpenOperation, OperationKind, OperationState


def wanting(live, *settings, **changes):
    """An update of the configuration wants `live`, and the brokers have these settings."""
    kind = OperationKind.UPDATE_CLUSTER_CONFIGURATION
    operation = OpenOperation("op-1", kind, OperationState.UPDATE_IN_PROGRESS, ago(1), {"live": live})
    seen = three_brokers().but(
        operation=operation, settings={number: Known(each) for number, each in enumerate(settings, 1)}
    )
    return seen.but(**changes) if changes else seen


def set_to(live, *settings):
    """What is set in one pass."""
    actions = [reasoned.action for reasoned in wanting(live, *settings).plan(configuration).actions]
    assert all(isinstance(action, Configure) and action.target == broker(1) for action in actions)
    return actions[0].values if actions else {}


SIZE = {"message.max.bytes": "2000000"}
OLD = {"message.max.bytes": "1048588"}


def test_it_is_set_once_for_all_brokers():
    assert wanting(SIZE, OLD, OLD, OLD).text(configuration) == snapshot(
        "set message.max.bytes=2000000 | the configuration was updated"
    )


def test_it_is_set_while_one_broker_does_not_have_it_and_not_any_more():
    assert set_to(SIZE, SIZE, OLD, SIZE) == SIZE
    assert set_to(SIZE, SIZE, SIZE, SIZE) == {}
    assert set_to({**SIZE, "compression.type": "zstd"}, *[{**SIZE, "compression.type": "producer"}] * 3) == {
        "compression.type": "zstd"
    }


def test_what_nobody_has_set_is_not_taken_for_what_is_wanted():
    """Kafka tells nothing of log.retention.ms, log.roll.ms and log.flush.interval.ms until they are set."""
    assert set_to({"log.retention.ms": "7200000"}, *[{"log.retention.ms": None}] * 3) == {"log.retention.ms": "7200000"}
    assert not same("log.retention.ms", None, "7200000")


def test_another_spelling_of_the_same_value_is_the_same_value():
    assert same("log.cleaner.min.cleanable.ratio", "0.50", "0.5")
    assert set_to({"log.cleaner.min.cleanable.ratio": "0.5"}, *[{"log.cleaner.min.cleanable.ratio": "5e-1"}] * 3) == {}


def threads(wanted, *present):
    return set_to({"num.io.threads": str(wanted)}, *({"num.io.threads": str(each)} for each in present)).get(
        "num.io.threads"
    )


def test_a_thread_pool_is_at_most_doubled_and_at_least_halved():
    assert threads(32, 8, 8, 8) == "16"
    assert threads(32, 16, 16, 16) == "32"
    assert threads(32, 32, 32, 32) is None
    assert threads(11, 8, 8, 8) == "11"
    assert threads(3, 8, 8, 8) == "4"
    assert threads(1, 3, 3, 3) == "1"


def test_the_next_size_waits_for_the_last_broker():
    """One that is still at 8 would accept 32 and then apply nothing any more."""
    assert threads(32, 8, 16, 16) == "16"
    assert threads(32, 16, 16, 8) == "16"
    assert threads(2, 4, 8, 4) == "4"


def test_what_is_kept_for_all_of_them_is_put_right_too():
    """Brokers were restarted with five threads, could not double them twice at their start, and take nothing any more."""
    five = {"num.network.threads": "5", "log.retention.ms": "7200000"}
    seen = wanting(five, five, five, five)
    kept = seen.but(defaults=Known({"num.network.threads": "11", "log.retention.ms": "7200000"}))
    assert [each.action.values for each in kept.plan(configuration).actions] == [{"num.network.threads": "5"}]
    assert not seen.but(defaults=Known({"num.network.threads": "5"})).plan(configuration).actions
    unknown = seen.but(defaults=Unknown("no answer"))
    assert unknown.text(configuration) == "waits for the brokers: what is kept for all of them is not known: no answer"


def test_settings_that_are_not_known_are_waited_for():
    seen = wanting(SIZE, OLD, OLD, OLD)
    unseen = seen.but(settings={**seen.view.settings, 2: Unknown("node 2 did not answer")})
    assert unseen.text(configuration) == snapshot(
        "waits for broker 2: its settings are not known: node 2 did not answer"
    )


def test_it_comes_after_the_roll():
    """A restart is what can fail: an operation that goes back then has changed nothing else yet."""
    seen = wanting(SIZE, OLD, OLD, OLD)
    assert seen.with_run(broker(3), revision="an older one").plan(configuration).actions == ()
    assert seen.killed(broker(3)).plan(configuration).actions == ()


def test_it_looks_at_the_brokers_first():
    assert wanting(SIZE, OLD, OLD, OLD).only(1).drafted(configuration).depth == 2


def test_a_broker_that_serves_is_asked():
    seen = wanting(SIZE, OLD, OLD, OLD).silent(broker(1), 1)
    (reasoned,) = seen.plan(configuration).actions
    assert reasoned.action == Configure(broker(2), SIZE)


def test_there_is_nothing_to_set_without_such_an_operation():
    assert three_brokers().text(configuration) == "nothing"
    assert three_brokers().rebooting(1).text(configuration) == "nothing"
    assert wanting({}).text(configuration) == "nothing"
