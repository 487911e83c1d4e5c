"""What a node said before it ended, without the stack below it."""

from attrs import evolve
from fakes.views import NOW, broker, three_brokers

from penstock.control.cluster.sentences import last_words, quoting
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
