"""`penstock quarantine`, and where else users are told of volumes that were put aside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from attrs import evolve
from fakes.views import three_brokers

from penstock.cli.checks.finding import State, Visit
from penstock.cli.checks.places import kept, quarantine
from penstock.compute.process.label import Label
from penstock.model.ids import NodeId, Role
from penstock.model.quarantine import Aside, Quarantined
from penstock.model.spec import ClusterSpec, ClusterState, ClusterStatus
from penstock.settings import load
from penstock.store.seal import load_key
from penstock.store.store import Store
from tests.cli.house import House, told

BORN = datetime.now(UTC) - timedelta(days=30)


@pytest.fixture
def orders(house: House) -> Iterator[ClusterSpec]:
    """A cluster of a home that no control plane serves."""
    house.home.mkdir()
    store = Store(f"sqlite:///{house.home / 'store.sqlite3'}", load_key(house.home / "key"))
    spec = evolve(three_brokers().view.spec, created=BORN)
    with store.write() as rows:
        rows.clusters.insert(spec, ClusterStatus(ClusterState.ACTIVE, since=BORN, completed=True))
    yield spec
    store.close()


def aside(house: House, spec: ClusterSpec, number: int, why: str, days: int = 1) -> str:
    """A volume in quarantine since so many days; its name."""
    when = datetime.now(UTC) - timedelta(days=days)
    name = f"{when:%Y%m%dT%H%M%S.%fZ}-{spec.id}-broker-{number}-{why}"
    path = house.home / "quarantine" / name
    (path / "data").mkdir(parents=True)
    (path / "data" / "segment").write_bytes(b"x" * 300_000)
    (path / "volume.json").write_bytes(Label(spec.id, f"broker-{number}", "an incarnation").content)
    return name


def listed(house: House, **variables: str) -> dict[str, dict[str, object]]:
    return {each["name"]: each for each in json.loads(house.say("quarantine", "--json", **variables).stdout)}


def test_nothing_lies_there(house: House, orders: ClusterSpec) -> None:
    assert house.say("quarantine").stdout == "nothing lies in quarantine\n"
    assert listed(house) == {}


def test_each_is_listed_with_its_reason_its_size_and_its_time(house: House, orders: ClusterSpec) -> None:
    retired, foreign = aside(house, orders, 4, "retired", days=2), aside(house, orders, 1, "foreign")
    stranger = aside(house, evolve(orders, id="another-1"), 4, "retired", days=3)
    (house.home / "quarantine" / "a-copy").mkdir()
    seen = listed(house)
    assert set(seen) == {retired, foreign, stranger, "a-copy"}
    assert (seen[retired]["cluster"], seen[retired]["node"], seen[retired]["why"]) == ("orders", "broker-4", "retired")
    assert seen[retired]["path"] == str(house.home / "quarantine" / retired)
    assert isinstance(seen[retired]["bytes"], int)
    assert seen[retired]["bytes"] >= 300_000
    goes = datetime.fromisoformat(str(seen[retired]["goes"]))
    assert timedelta(days=4, hours=23) < goes - datetime.now(UTC) < timedelta(days=5)
    assert [seen[name]["goes"] for name in (foreign, stranger, "a-copy")] == [None] * 3, "nobody knows that cluster"
    assert listed(house, PENSTOCK_QUARANTINE_DAYS="0")[retired]["goes"] is None
    text = house.say("quarantine").stdout
    assert f"it goes after {goes:%Y-%m-%d %H:%M}Z" in text
    assert text.count("it stays until you remove it") == 3


def test_status_says_where_they_lie_and_until_when(house: House, orders: ClusterSpec) -> None:
    retired, foreign = aside(house, orders, 4, "retired"), aside(house, orders, 1, "foreign")
    aside(house, evolve(orders, id="another-1"), 4, "retired")
    (cluster,) = json.loads(house.say("status", "orders", "--json").stdout)["clusters"]
    assert [Path(each["path"]).name for each in cluster["quarantine"]] == sorted((retired, foreign))
    text = house.say("status").stdout
    assert (
        f"In quarantine lies {house.home}/quarantine/{retired}: its broker left the cluster, empty; it goes after"
        in text
    )
    assert f"{foreign}: it lay in the place of a node that it does not belong to; it stays until you remove it" in text


def test_a_quarantine_that_cannot_be_looked_into_hides_no_cluster(house: House, orders: ClusterSpec) -> None:
    (house.home / "quarantine").write_text("no folder")
    shown = house.say("status")
    assert shown.exit_code == 0
    assert "What lies in quarantine is not known: looking into the quarantine failed: Not a directory" in shown.stdout
    assert "looking into the quarantine failed" in told(house.say("quarantine"))


def test_a_person_removes_one_and_is_asked(house: House, orders: ClusterSpec) -> None:
    foreign, other = aside(house, orders, 1, "foreign"), aside(house, orders, 2, "foreign")
    refused = house.say("quarantine", "remove", foreign)
    assert refused.exit_code == 1
    assert "Delete it with all its data? [y/N]" in refused.stdout
    assert set(listed(house)) == {foreign, other}
    assert "is deleted" in house.say("quarantine", "remove", foreign, "--yes").stdout
    assert set(listed(house)) == {other}
    assert f"{foreign} in quarantine was deleted by hand" in house.say("events", "orders").stdout
    assert "`penstock quarantine` lists" in told(house.say("quarantine", "remove", foreign, "--yes"))
    assert "nothing called .." in told(house.say("quarantine", "remove", "..", "--yes"))
    assert set(listed(house)) == {other}


def test_a_purge_asks_for_the_quarantine_too_and_takes_it_along(house: House, orders: ClusterSpec) -> None:
    name = aside(house, orders, 1, "foreign")
    refused = house.say("down", "--purge")
    assert "and its quarantine?" in refused.stdout
    assert set(listed(house)) == {name}
    assert house.run("down", "--purge", "--yes").returncode == 0
    assert not house.home.exists()


def test_the_doctor_counts_and_warns_of_doubts(house: House, orders: ClusterSpec) -> None:
    visit = Visit(load(home=house.home, network_registry=house.root / "networks"))
    (finding,) = quarantine(visit)
    assert (finding.state, finding.sentence) == (State.OK, "Nothing lies in quarantine.")
    aside(house, orders, 4, "retired")
    (finding,) = quarantine(visit)
    assert (finding.state, finding.sentence.split(",")[0]) == (State.OK, "1 volume in quarantine")
    aside(house, orders, 1, "foreign")
    (finding,) = quarantine(visit)
    assert finding.state is State.WARNING
    assert "1 of them in doubt" in finding.sentence
    unmeasured = kept([Quarantined("/q/x", Aside.RETIRED, NodeId(orders.id, Role.BROKER, 4))])
    assert "1 of them could not be measured" in unmeasured.sentence
