"""How operations end: what is shown from then on, the way back, and the proof that there is nothing to wait for."""

from attrs import evolve
from fakes.views import ago, broker, controller, desired, three_brokers

from penstock.control.cluster.outcome import HOPELESS_RUNS, Ending, complete, ended, hopeless, running, shown
from penstock.model.observation import Gone
from penstock.model.operation import OpenOperation, OperationKind, OperationState

API = {
    "BrokerNodeGroupInfo": {
        "InstanceType": "kafka.m5.large",
        "StorageInfo": {"EbsStorageInfo": {"VolumeSize": 100, "ProvisionedThroughput": {"Enabled": False}}},
        "ZoneIds": ["use1-az1"],
    },
    "CurrentBrokerSoftwareInfo": {"KafkaVersion": "4.3.x.kraft"},
    "EnhancedMonitoring": "DEFAULT",
    "OpenMonitoring": {
        "Prometheus": {"JmxExporter": {"EnabledInBroker": False}, "NodeExporter": {"EnabledInBroker": True}}
    },
}


def operation(kind=OperationKind.UPDATE_BROKER_TYPE, **target):
    return OpenOperation("op-1", kind, OperationState.UPDATE_IN_PROGRESS, ago(60), target)


def test_every_member_lands_where_describe_shows_it_and_nothing_else_changes():
    group = API["BrokerNodeGroupInfo"]
    assert shown(API, {"InstanceType": "m5.xlarge"}) == {
        **API,
        "BrokerNodeGroupInfo": {**group, "InstanceType": "kafka.m5.xlarge"},
    }
    larger = shown(API, {"BrokerEBSVolumeInfo": [{"KafkaBrokerNodeId": "ALL", "VolumeSizeGB": 200}]})
    assert larger["BrokerNodeGroupInfo"] == {
        **group,
        "StorageInfo": {"EbsStorageInfo": {"VolumeSize": 200, "ProvisionedThroughput": {"Enabled": False}}},
    }
    configured = shown(API, {"ConfigurationInfo": {"Arn": "arn:tuned", "Revision": 2}})
    assert configured["CurrentBrokerSoftwareInfo"] == {
        "KafkaVersion": "4.3.x.kraft",
        "ConfigurationArn": "arn:tuned",
        "ConfigurationRevision": 2,
    }
    assert "ConfigurationInfo" not in configured


def test_members_that_a_call_left_out_stay_as_they_are():
    after = shown(API, {"OpenMonitoring": {"Prometheus": {"JmxExporter": {"EnabledInBroker": True}}}})
    assert after["OpenMonitoring"]["Prometheus"] == {
        "JmxExporter": {"EnabledInBroker": True},
        "NodeExporter": {"EnabledInBroker": True},
    }
    logs = {"BrokerLogs": {"S3": {"Enabled": True, "Bucket": "logs"}}}
    assert shown(API, {"LoggingInfo": logs})["LoggingInfo"] == logs


def test_what_the_loop_needs_to_know_is_never_shown():
    assert shown(API, {"before": {"instance_type": "x"}, "live": {"a": "b"}, "node": "broker-1", "number": 1}) == API


def test_what_is_shown_is_a_copy():
    shown(API, {"InstanceType": "m5.xlarge", "EnhancedMonitoring": "PER_BROKER"})
    assert API["BrokerNodeGroupInfo"]["InstanceType"] == "kafka.m5.large"
    assert API["EnhancedMonitoring"] == "DEFAULT"


def gone(runs, **changes):
    return evolve(Gone(ago(1), "exit status 1", short_runs=runs), **changes)


def words(seen, target, said="FATAL it will not"):
    return hopeless(seen.view, operation(**target), lambda node: said)


BACK = {"before": {"instance_type": "kafka.m5.large"}}


def test_a_node_that_ends_again_and_again_proves_that_the_change_cannot_work():
    seen = three_brokers().with_sighting(broker(1), gone(HOPELESS_RUNS))
    assert words(seen, BACK) == (
        "broker 1 ended 3 times in a row soon after its start with exit status 1: FATAL it will not"
    )
    assert words(seen, BACK, said="").endswith("with exit status 1")
    assert words(three_brokers().with_sighting(controller(2), gone(4)), BACK).startswith(
        "controller 10002 ended 4 times"
    )


def test_one_crash_or_two_prove_nothing_and_a_node_that_runs_is_given_its_time():
    assert words(three_brokers(), BACK) is None
    assert words(three_brokers().with_sighting(broker(1), gone(HOPELESS_RUNS - 1)), BACK) is None


def test_an_operation_without_a_way_back_goes_on():
    assert words(three_brokers().with_sighting(broker(1), gone(9)), {"node": "broker-1", "number": 1}) is None


def test_a_failed_operation_takes_the_old_wishes_back_and_shows_nothing_new():
    spec = desired(instance_type="kafka.m5.xlarge", api=API)
    failed = Ending(OperationState.UPDATE_FAILED, OperationKind.UPDATE_BROKER_TYPE, "BROKER_CANNOT_START", "it ended")
    after = ended(spec, operation(InstanceType="m5.xlarge", **BACK), failed)
    assert after == evolve(spec, instance_type="kafka.m5.large")
    assert str(failed) == "operation UPDATE_BROKER_TYPE is UPDATE_FAILED: it ended"


def test_a_configuration_comes_back_as_the_store_gives_it():
    """Rows are JSON, where a pair is a list; a spec that differs in that alone would be laid out anew for ever."""
    spec = desired(configuration=("arn:tuned", 2))
    failed = Ending(OperationState.UPDATE_FAILED, OperationKind.UPDATE_CLUSTER_CONFIGURATION, "X", "it ended")
    one = ended(spec, operation(before={"configuration": ["arn:tuned", 1]}), failed)
    assert one.configuration == ("arn:tuned", 1)
    assert ended(spec, operation(before={"configuration": None}), failed).configuration is None


def test_a_complete_operation_keeps_the_new_wishes_and_shows_them():
    spec = desired(instance_type="kafka.m5.xlarge", api=API)
    done = Ending(OperationState.UPDATE_COMPLETE, OperationKind.UPDATE_BROKER_TYPE)
    after = ended(spec, operation(InstanceType="m5.xlarge", **BACK), done)
    assert after.instance_type == "kafka.m5.xlarge"
    assert after.api["BrokerNodeGroupInfo"]["InstanceType"] == "kafka.m5.xlarge"
    assert str(done) == "operation UPDATE_BROKER_TYPE is UPDATE_COMPLETE"


def test_reboots_have_words_of_their_own():
    assert running(OperationKind.REBOOT_NODE) is OperationState.REBOOT_IN_PROGRESS
    assert complete(OperationKind.REBOOT_NODE) is OperationState.REBOOT_COMPLETE
    assert running(OperationKind.UPDATE_BROKER_TYPE) is OperationState.UPDATE_IN_PROGRESS
    assert complete(OperationKind.UPDATE_BROKER_TYPE) is OperationState.UPDATE_COMPLETE
