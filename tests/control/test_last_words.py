"""What a node said before it ended, without the stack below it."""

from attrs import evolve
from fakes.views import NOW, ago, broker, three_brokers

from penstock.compute.base import ComputeError
from penstock.control.cluster.sentences import last_words, quoting, said
from penstock.model.action import Start
from penstock.model.observation import Gone


def test_a_stack_trace_says_its_deepest_cause():
    log = [
        "ERROR Exiting",
        "java.lang.RuntimeException: wrong disk",
        "\tat kafka.Kafka.main",
        "Caused by: no space",
        "\t... 12 more",
        "",
    ]
    assert last_words(log) == "Caused by: no space"
    assert last_words([]) == ""


def test_a_wait_for_a_node_that_keeps_ending_tells_its_last_words():
    seen = three_brokers().with_sighting(broker(2), Gone(NOW, "exit status 1", short_runs=3))
    plan = quoting(seen.plan(), seen.view, lambda node, lines: ["the disk is spoiled"])
    (wait,) = [wait for wait in plan.waits if wait.on == "broker 2"]
    assert wait.because.endswith("(exit status 1); its last words: the disk is spoiled")
    assert wait.until == next(w.until for w in seen.plan().waits if w.on == "broker 2")
    assert evolve(plan, waits=()) == evolve(seen.plan(), waits=())


def test_a_node_whose_disk_fails_says_so_and_what_to_do():
    log = [
        "java.io.IOException: Input/output error",
        "\tat a.b",
        "ERROR Shutdown broker because all log dirs in /v have failed",
    ]
    seen = three_brokers().with_sighting(broker(2), Gone(NOW, "exit status 1", short_runs=3))
    plan = quoting(seen.plan(), seen.view, lambda node, lines: log)
    (wait,) = [wait for wait in plan.waits if wait.on == "broker 2"]
    assert "all log dirs in /v have failed: java.io.IOException: Input/output error" in wait.because
    assert "the volume is replaced where others have its data" in wait.because


def test_the_start_of_a_node_that_halted_tells_why_it_did():
    log = ["java.io.IOException: Input/output error", "ERROR Shutdown broker because all log dirs in /v have failed"]

    def because(gone, lines):
        seen = three_brokers().with_sighting(broker(2), gone)
        plan = quoting(seen.plan(), seen.view, lambda node, count: lines)
        return next(each.because for each in plan.actions if isinstance(each.action, Start))

    halted = Gone(ago(100), "exit status 1")
    assert because(halted, log) == f"broker 2 ended with exit status 1: {log[1]}: {log[0]}"
    assert because(halted, ["INFO good"]) == "broker 2 ended with exit status 1"
    killed = Gone(ago(100), "signal 9 (SIGKILL)")
    assert because(killed, log) == "broker 2 ended with signal 9 (SIGKILL)", "what is in the log is of another day"


def test_a_log_that_cannot_be_read_says_why_in_place_of_last_words_and_holds_up_nothing():
    why = "reading the log of broker 2 failed: Input/output error; the disk has errors"

    def tail(node, lines):
        raise ComputeError(why)

    assert said(broker(2), tail) == why
    resting = three_brokers().with_sighting(broker(2), Gone(NOW, "exit status 1", short_runs=3))
    (wait,) = [wait for wait in quoting(resting.plan(), resting.view, tail).waits if wait.on == "broker 2"]
    assert wait.because.endswith(f"its last words: {why}")
    halted = three_brokers().with_sighting(broker(2), Gone(ago(100), "exit status 1"))
    (start,) = [each for each in quoting(halted.plan(), halted.view, tail).actions if isinstance(each.action, Start)]
    assert start.because == f"broker 2 ended with exit status 1: {why}"
