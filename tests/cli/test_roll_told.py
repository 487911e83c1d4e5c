"""A roll as `penstock plan` tells it."""

import json

from fakes.views import brokers_of, three_brokers
from inline_snapshot import snapshot

from penstock.cli.roll import as_value, otherwise, sentences
from penstock.control.cluster.roll import planned
from penstock.model.observation import Partition
from penstock.model.plan import Restart


def rolled(seen):
    return planned(
        seen.view, [Restart(node.id, (f"{node.id} is to run a newer revision",)) for node in seen.view.layout]
    )


def test_in_words_with_order_reasons_time_and_what_is_below_its_minimum():
    alone = [Partition("single", index, 4, (4,), (4,), 1) for index in range(12)]
    assert "\n".join(sentences(rolled(brokers_of(6).with_topics(*alone)))) == snapshot("""\
9 nodes to restart in 6 batches, about 42 s:
  1. broker 1, broker 4 in use1-az1, about 10 s
       broker 1 is to run a newer revision
       broker 4 is to run a newer revision
  2. broker 2, broker 5 in use1-az2, about 10 s
       broker 2 is to run a newer revision
       broker 5 is to run a newer revision
  3. broker 3, broker 6 in use1-az3, about 10 s
       broker 3 is to run a newer revision
       broker 6 is to run a newer revision
  4. controller 10002 in use1-az2, about 4 s
       controller 10002 is to run a newer revision
  5. controller 10003 in use1-az3, about 4 s
       controller 10003 is to run a newer revision
  6. controller 10001 in use1-az1, about 4 s
       controller 10001 is to run a newer revision
  Below their minimum while a broker of theirs is down, having no more replicas than that: single-0, single-1, single-2, single-3, single-4, single-5, single-6, single-7, single-8, single-9 and 2 more\
""")


def test_what_a_roll_that_nobody_has_asked_for_takes_for_granted():
    six, three = brokers_of(6), three_brokers()

    def told(seen):
        restarts = [Restart(node.id, ()) for node in seen.view.layout]
        return otherwise(planned(seen.view, restarts), planned(seen.view, restarts, tried=True))

    assert told(six) == snapshot(["a new configuration is tried by broker 1 alone first: 7 batches then, about 46 s"])
    assert told(three) == [], "where brokers go one by one, it is the same"


def test_as_json_it_holds_the_same():
    value = json.loads(json.dumps(as_value(rolled(three_brokers()))))
    assert [batch["nodes"] for batch in value["batches"]] == snapshot(
        [["broker-1"], ["broker-2"], ["broker-3"], ["controller-10002"], ["controller-10003"], ["controller-10001"]]
    )
    assert value["batches"][0] == snapshot(
        {
            "nodes": ["broker-1"],
            "zone": "use1-az1",
            "reasons": {"broker-1": ["broker 1 is to run a newer revision"]},
            "seconds": 7.5,
            "note": "",
        }
    )
    assert value["seconds"] == sum(batch["seconds"] for batch in value["batches"])


def test_where_nothing_is_to_be_restarted_nothing_is_told():
    assert sentences(None) == []
    assert as_value(None) is None
