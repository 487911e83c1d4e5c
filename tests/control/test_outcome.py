"""How operations end: what is shown from then on, the way back, and the proof that there is nothing to wait for."""

from fakes.views import ago, desired

from penstock.control.cluster.outcome import Ending, complete, ended, running, shown
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


def test_what_belongs_to_a_switch_goes_when_the_switch_is_given_without_it():
    streams = {"Firehose": {"Enabled": True, "DeliveryStream": "logs"}}
    before = {"BrokerLogs": {"CloudWatchLogs": {"Enabled": True, "LogGroup": "orders"}, **streams}}
    off = {"LoggingInfo": {"BrokerLogs": {"CloudWatchLogs": {"Enabled": False}}}}
    after = shown({**API, "LoggingInfo": before}, off)
    assert after["LoggingInfo"] == {"BrokerLogs": {"CloudWatchLogs": {"Enabled": False}, **streams}}


def test_what_the_loop_needs_to_know_is_never_shown():
    hidden = {"before": {"instance_type": "x"}, "live": {"a": "b"}, "restart": ["c"], "node": "broker-1", "number": 1}
    assert shown(API, hidden) == API


def test_which_brokers_an_operation_was_about_is_no_member_of_a_cluster():
    target = {"NumberOfBrokerNodes": 6, "BrokerCountUpdateInfo": {"CreatedBrokerIds": [4.0, 5.0, 6.0]}}
    assert shown(API, target) == {**API, "NumberOfBrokerNodes": 6}


def test_what_is_shown_is_a_copy():
    shown(API, {"InstanceType": "m5.xlarge", "EnhancedMonitoring": "PER_BROKER"})
    assert API["BrokerNodeGroupInfo"]["InstanceType"] == "kafka.m5.large"
    assert API["EnhancedMonitoring"] == "DEFAULT"


def test_a_failed_operation_shows_nothing_new():
    spec = desired(instance_type="kafka.m5.large", api=API)
    failed = Ending(OperationState.UPDATE_FAILED, OperationKind.UPDATE_BROKER_TYPE, "BROKER_CANNOT_START", "it ended")
    assert ended(spec, operation(InstanceType="m5.xlarge"), failed) == spec
    assert str(failed) == "operation UPDATE_BROKER_TYPE is UPDATE_FAILED: it ended"


def test_what_stays_of_a_failed_operation_is_shown():
    spec = desired(api=API)
    failed = Ending(OperationState.UPDATE_FAILED, OperationKind.INCREASE_BROKER_COUNT, "NO_PROGRESS", "it", stays=True)
    assert ended(spec, operation(NumberOfBrokerNodes=6), failed).api["NumberOfBrokerNodes"] == 6


def test_a_complete_operation_keeps_the_new_wishes_and_shows_them():
    spec = desired(instance_type="kafka.m5.xlarge", api=API)
    done = Ending(OperationState.UPDATE_COMPLETE, OperationKind.UPDATE_BROKER_TYPE)
    after = ended(spec, operation(InstanceType="m5.xlarge", before={}), done)
    assert after.instance_type == "kafka.m5.xlarge"
    assert after.api["BrokerNodeGroupInfo"]["InstanceType"] == "kafka.m5.xlarge"
    assert str(done) == "operation UPDATE_BROKER_TYPE is UPDATE_COMPLETE"


def test_reboots_have_words_of_their_own():
    assert running(OperationKind.REBOOT_NODE) is OperationState.REBOOT_IN_PROGRESS
    assert complete(OperationKind.REBOOT_NODE) is OperationState.REBOOT_COMPLETE
    assert running(OperationKind.UPDATE_BROKER_TYPE) is OperationState.UPDATE_IN_PROGRESS
    assert complete(OperationKind.UPDATE_BROKER_TYPE) is OperationState.UPDATE_COMPLETE
