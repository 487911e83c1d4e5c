"""UpdateMonitoring through a stock client: what is an update, and what its operation tells."""

from __future__ import annotations

from test_updates import members, refused


def test_monitoring_that_is_as_asked_for_already_is_no_update_whatever_else_is_on(kafka, wish, loop):
    on = {"Prometheus": {"JmxExporter": {"EnabledInBroker": True}}}
    arn = kafka.create_cluster(**wish(OpenMonitoring=on))["ClusterArn"]
    loop.serve(arn)
    for asked in ({"OpenMonitoring": on}, {"OpenMonitoring": on, "EnhancedMonitoring": "DEFAULT"}):
        code, named, message = refused(kafka.update_monitoring, **members(kafka, arn, **asked))
        assert (code, named) == ("BadRequestException", "enhancedMonitoring")
        assert "nothing to change" in message
    more = {"Prometheus": {"NodeExporter": {"EnabledInBroker": True}}}
    kafka.update_monitoring(**members(kafka, arn, OpenMonitoring=more))


def exporters(jmx, node):
    return {"Prometheus": {"JmxExporter": {"EnabledInBroker": jmx}, "NodeExporter": {"EnabledInBroker": node}}}


def test_an_update_of_monitoring_tells_what_changes_whole_and_nothing_else(kafka, wish, loop):
    """As Terraform's provider asks: every member, changed or not (msk.md 2.2)."""
    streams = {"Firehose": {"Enabled": False}, "S3": {"Enabled": True, "Bucket": "orders-logs"}}
    arn = kafka.create_cluster(**wish(LoggingInfo={"BrokerLogs": streams}))["ClusterArn"]
    loop.serve(arn)
    jmx, logs = {"JmxExporter": {"EnabledInBroker": True}}, {"CloudWatchLogs": {"Enabled": False}}
    asked = {
        "EnhancedMonitoring": "DEFAULT",
        "OpenMonitoring": {"Prometheus": jmx},
        "LoggingInfo": {"BrokerLogs": logs},
    }
    operation = kafka.update_monitoring(**members(kafka, arn, **asked))["ClusterOperationArn"]
    info = kafka.describe_cluster_operation(ClusterOperationArn=operation)["ClusterOperationInfo"]
    assert info["SourceClusterInfo"] == {
        "OpenMonitoring": exporters(jmx=False, node=False),
        "LoggingInfo": {"BrokerLogs": streams},
    }
    assert info["TargetClusterInfo"] == {
        "OpenMonitoring": exporters(jmx=True, node=False),
        "LoggingInfo": {"BrokerLogs": {**streams, **logs}},
    }
