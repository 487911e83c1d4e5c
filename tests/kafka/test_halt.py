"""Why a node halted: what Kafka says last, and what the disk said before."""

import pytest

from penstock.kafka.halt import halt, spoiled

DIED = "[2030-01-01 12:00:00,000] ERROR Shutdown broker because the metadata log dir /v/data has failed (kafka.server.ReplicaManager)"


def broker(answer: str) -> list[str]:
    """The end of a broker's log."""
    return [
        "[2030-01-01 11:59:59,000] ERROR Error while appending records to orders-0 in dir /v/data (LogDirFailureChannel)",
        f"java.io.IOException: {answer}",
        "\tat java.base/sun.nio.ch.FileDispatcherImpl.write0(Native Method)",
        "[2030-01-01 12:00:00,000] WARN [ReplicaManager broker=1] Stopping serving replicas in dir /v/data",
        DIED,
    ]


@pytest.mark.parametrize(
    ("answer", "bad"),
    [("Input/output error", True), ("Structure needs cleaning", True), ("No space left on device", False)],
)
def test_the_disks_own_words_stand_beside_what_kafka_says_last(answer: str, bad: bool) -> None:
    told = halt(broker(answer))
    assert told == f"{DIED}: java.io.IOException: {answer}"
    assert spoiled(told) is bad


def test_a_controllers_stack_comes_after_its_last_words() -> None:
    fault = "ERROR Encountered fatal fault: Unexpected error in raft IO thread (ProcessTerminatingFaultHandler)"
    cause = "Caused by: java.io.IOException: Input/output error"
    assert halt([fault, "java.io.UncheckedIOException: Error", "\tat a.b", cause]) == f"{fault}: {cause}"


def test_without_such_words_nothing_is_said_of_the_disk() -> None:
    assert halt(broker("Input/output error")[:-1]) is None, "a broker that went on did not end of it"
    assert halt([DIED]) == DIED
    assert halt([]) is None
