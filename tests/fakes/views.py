"""Views of a cluster for tests of the brain: a healthy one in a line, and what is different in the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from attrs import evolve, frozen

from penstock.control.cluster.draft import Draft
from penstock.control.cluster.layout import Frame, lay_out
from penstock.control.cluster.rules import Rule
from penstock.control.cluster.rules import plan as all_rules
from penstock.kafka.listeners import standard_ports
from penstock.kafka.placement import new_nodes
from penstock.kafka.versions import catalogue
from penstock.model.ids import ClusterId, NodeId, Role
from penstock.model.node import NodeSpec
from penstock.model.observation import (
    BrokerSeen,
    ClusterView,
    Gone,
    Known,
    Observed,
    Partition,
    Quorum,
    Running,
    Sighting,
    Unknown,
    Voter,
)
from penstock.model.operation import OpenOperation, OperationKind, OperationState
from penstock.model.plan import Plan
from penstock.model.spec import ClientBroker, ClusterSpec, ClusterState, ClusterStatus, Endpoint, Subnet

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
CLUSTER = ClusterId("11111111-2222-4333-8444-555555555555-1")
SUBNETS = tuple(Subnet(f"subnet-0{n}", f"use1-az{n}") for n in (1, 2, 3))


def ago(seconds: float) -> datetime:
    """So many seconds before NOW."""
    return NOW - timedelta(seconds=seconds)


def broker(number: int) -> NodeId:
    return NodeId(CLUSTER, Role.BROKER, number)


def controller(number: int) -> NodeId:
    """Controller 1, 2 or 3, whose real number is 10001 and so on."""
    return NodeId(CLUSTER, Role.CONTROLLER, 10_000 + number)


class PlainJava:
    """A Java whose command line is its arguments."""

    def __init__(self, *options: str) -> None:
        self._options = options

    def command(self, role: Role, heap_mib: int, properties: str, extra: Sequence[str] = ()) -> tuple[str, ...]:
        return ("java", f"-Xmx{heap_mib}m", *self._options, *extra, properties)


def frame(**changes: Any) -> Frame:
    """What layout needs beside a spec, with fixed values."""
    plain = Frame(
        distribution=catalogue()["4.3.x.kraft"],
        java=PlainJava(),
        authorizer="penstock.Authorizer",
        inner_ca=b"-----BEGIN CERTIFICATE-----\nof the cluster\n-----END CERTIFICATE-----\n",
        unclean_leaders=False,
        broker_heap_mib=512,
        controller_heap_mib=256,
        client_leaf_days=90,
        cores=2,
    )
    return evolve(plain, **changes)


def desired(cluster: ClusterId = CLUSTER, brokers: int = 3, *, placed: bool = True, **changes: Any) -> ClusterSpec:
    """A cluster as a user wants it; the same one each time. `placed`: its endpoints are written down."""
    counter = iter(range(1, 1000))
    nodes = new_nodes(cluster, SUBNETS, brokers, fresh=lambda: UUID(int=next(counter) << 64 | 0xA5A5))
    client = changes.get("client_broker", ClientBroker.TLS_PLAINTEXT)
    if placed:
        nodes = tuple(
            evolve(
                place,
                endpoint=Endpoint(f"127.64.{64 * (index % 3)}.{index + 1}", standard_ports(place.id.role, client)),
            )
            for index, place in enumerate(nodes)
        )
    spec = ClusterSpec(
        id=cluster,
        arn=f"arn:aws:kafka:us-east-1:123456789012:cluster/orders/{cluster}",
        name="orders",
        account="123456789012",
        region="us-east-1",
        kafka_id="4L6g3nShT-eMCtK--X86sw",
        kafka_version="4.3.x.kraft",
        client_broker=client,
        instance_type="kafka.m7g.large",
        volume_gib=100,
        subnets=SUBNETS,
        nodes=nodes,
        created=ago(3600),
    )
    return evolve(spec, **changes)


def running(node: NodeSpec, *, since: datetime | None = None, **changes: Any) -> Running:
    """The node's process, as it should be."""
    life = (ago(3600), ago(3600) + timedelta(days=3650))
    run = Running(
        since=since or ago(3000),
        pid=100 + node.id.number,
        revision=node.revision,
        start=node.start,
        live=node.live,
        fence=1,
        cpu_seconds=10.0,
        leaves={leaf.path: life for leaf in node.leaves},
    )
    return evolve(run, **changes)


@frozen
class Seen:
    """A view under construction. Each `with_…` gives another one; `plan` runs all rules over it, or those named."""

    view: ClusterView

    def with_sighting(self, node: NodeId, seen: Observed[Sighting] | Sighting) -> Seen:
        """What the provider says of one node; what is not plainly Unknown is Known. A node that ended answers nobody."""
        observed = seen if isinstance(seen, Known | Unknown) else Known(seen)
        answers = dict(self.view.answers)
        if not isinstance(observed, Known) or not isinstance(observed.value, Running):
            answers[node] = Unknown("it does not run")
        return self._evolved(sightings={**self.view.sightings, node: observed}, answers=answers)

    def with_run(self, node: NodeId, **changes: Any) -> Seen:
        """The node's process with something different about it."""
        run = self.view.running(node)
        assert run is not None
        return self.with_sighting(node, evolve(run, **changes))

    def starting(self, node: NodeId, since: datetime) -> Seen:
        """Its run began then and has not served yet."""
        return self.with_run(node, since=since)._evolved(
            served=self.view.served - {node}, answers={**self.view.answers, node: Known(False)}
        )

    def killed(self, node: NodeId, seconds: float = 0.5, **changes: Any) -> Seen:
        """It was killed so long ago, and the controllers do not know yet."""
        return self.with_sighting(node, evolve(Gone(ago(seconds), "signal 9 (SIGKILL)"), **changes))

    def fenced(self, number: int) -> Seen:
        """The controllers count on that broker no more: out of all ISRs and of all leaderships."""
        brokers = {**self._known(self.view.brokers), number: BrokerSeen(number, fenced=True)}
        return self._evolved(brokers=Known(brokers)).out_of_sync(number)

    def unregistered(self, number: int) -> Seen:
        """The controllers do not know that broker."""
        left = {n: seen for n, seen in self._known(self.view.brokers).items() if n != number}
        return self._evolved(brokers=Known(left)).out_of_sync(number)

    def out_of_sync(self, number: int) -> Seen:
        partitions = tuple(
            evolve(p, isr=left, leader=p.leader if p.leader != number else (left[0] if left else -1))
            for p in self._known(self.view.partitions)
            for left in [tuple(n for n in p.isr if n != number)]
        )
        return self._evolved(partitions=Known(partitions))

    def behind(self, node: NodeId, milliseconds: int | None = 9000) -> Seen:
        """The quorum's leader has not seen that controller for so long; another one leads."""
        quorum = self._known(self.view.quorum)
        voters = tuple(evolve(v, behind_ms=milliseconds) if v.number == node.number else v for v in quorum.voters)
        leader = (
            quorum.leader if quorum.leader != node.number else next(v.number for v in voters if v.number != node.number)
        )
        return self._evolved(quorum=Known(evolve(quorum, voters=voters, leader=leader)))

    def silent(self, node: NodeId, seconds: float, *, idle: bool = False) -> Seen:
        """The node served in this run and has not answered for so long; `idle`: nor used CPU time."""
        view = self.view
        return self._evolved(
            answers={**view.answers, node: Known(False)},
            silent_since={**view.silent_since, node: ago(seconds)},
            idle_since={**view.idle_since, **({node: ago(seconds)} if idle else {})},
        )

    def with_topics(self, *partitions: Partition) -> Seen:
        return self._evolved(partitions=Known(partitions))

    def with_spec(self, **changes: Any) -> Seen:
        """The user wants something else now; nothing has been done about it."""
        spec = evolve(self.view.spec, **changes)
        return self._evolved(spec=spec, layout=lay_out(spec, frame()))

    def rebooting(self, number: int = 1) -> Seen:
        """RebootBroker was called: one restart more is wanted, and an operation is open."""
        place = self.view.spec.place(broker(number))
        operation = OpenOperation(
            "op-1",
            OperationKind.REBOOT_NODE,
            OperationState.PENDING,
            ago(1),
            {"node": place.id.name, "number": number},
        )
        spec = self.view.spec.with_place(evolve(place, restarts=place.restarts + 1))
        return self.with_spec(nodes=spec.nodes)._evolved(operation=operation)

    def with_status(self, **changes: Any) -> Seen:
        return self._evolved(status=evolve(self.view.status, **changes))

    def creating(self) -> Seen:
        """It was never complete."""
        return self.with_status(state=ClusterState.CREATING, completed=False, progress="", progress_at=None)

    def only(self, depth: int) -> Seen:
        """A look that did not go deeper than this."""
        hidden: dict[str, Any] = {"depth": depth}
        if depth < 3:
            hidden["partitions"] = Unknown("not looked at")
        if depth < 2:
            hidden |= {"quorum": Unknown("not looked at"), "brokers": Unknown("not looked at"), "answers": {}}
        return self._evolved(**hidden)

    def but(self, **changes: Any) -> Seen:
        """Any other field of the view."""
        return self._evolved(**changes)

    def plan(self, *rules: Rule, now: datetime = NOW) -> Plan:
        """What all rules say, or these."""
        if not rules:
            return all_rules(self.view, now)[0]
        return self.drafted(*rules, now=now).plan()

    def drafted(self, *rules: Rule, now: datetime = NOW) -> Draft:
        draft = Draft(self.view)
        for rule in rules:
            rule(self.view, draft, now)
        return draft

    def text(self, *rules: Rule, now: datetime = NOW) -> str:
        return told(self.plan(*rules, now=now))

    def _evolved(self, **changes: Any) -> Seen:
        return Seen(evolve(self.view, **changes))

    @staticmethod
    def _known(observed: Observed[Any]) -> Any:
        assert isinstance(observed, Known)
        return observed.value


def brokers_of(count: int, spec: ClusterSpec | None = None) -> Seen:
    """A healthy cluster of so many brokers and three controllers, seen to the depth of partitions."""
    spec = spec or desired(brokers=count)
    layout = lay_out(spec, frame())
    sightings: Mapping[NodeId, Observed[Sighting]] = {node.id: Known(running(node)) for node in layout}
    replicas = tuple(range(1, min(3, count) + 1))
    return Seen(
        ClusterView(
            spec=spec,
            status=ClusterStatus(ClusterState.ACTIVE, since=ago(2900), completed=True),
            layout=layout,
            sightings=sightings,
            answers={node.id: Known(True) for node in layout},
            served=frozenset(node.id for node in layout),
            quorum=Known(
                Quorum(
                    leader=10_001,
                    epoch=7,
                    voters=tuple(
                        Voter(c.id.number, 200 * (n > 0), c.directory) for n, c in enumerate(spec.controllers)
                    ),
                )
            ),
            brokers=Known({n: BrokerSeen(n, fenced=False) for n in range(1, count + 1)}),
            partitions=Known(
                tuple(
                    Partition("orders", index, turned[0], turned, turned, min_isr=max(1, len(replicas) - 1))
                    for index in range(3)
                    for turned in [replicas[index % len(replicas) :] + replicas[: index % len(replicas)]]
                )
            ),
            quarantined=Known(()),
            depth=3,
        )
    )


def three_brokers() -> Seen:
    """The cluster that most stories begin with: healthy, `orders` with three replicas and a minimum of two."""
    return brokers_of(3)


def told(plan: Plan) -> str:
    """A plan as text, one line for each thing."""
    lines = [
        f"{reasoned.action} | {reasoned.because}"
        + (" | heals" if reasoned.heals else "")
        + (" | disrupts" if reasoned.disrupts else "")
        for reasoned in plan.actions
    ]
    lines += [f"{wait}" + (" | heals" if wait.heals else "") for wait in plan.waits]
    lines += [f"note: {note}" for note in plan.notes]
    lines += [f"stuck: {plan.stuck}"] if plan.stuck else []
    return "\n".join(lines) or "nothing"
