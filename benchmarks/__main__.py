"""`make bench`: every measurement, a table, a JSON file, and the README's table."""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import fields

from benchmarks import many, plane, plans, roll, scale
from benchmarks.by_hand import by_hand, java, serve
from benchmarks.client import Load, Reach, Watch, first_record, lost, until
from benchmarks.ours import VERSION, Ours, bare, laid_out, ours
from benchmarks.result import Result, markdown, text
from penstock.kafka import distributions
from penstock.kafka.distributions import Installed
from penstock.settings import load

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


def timed(step: Callable[[], Any]) -> float:
    began = time.monotonic()
    step()
    return time.monotonic() - began


def create(kafka: Installed) -> list[Result]:
    """From the request to the first record acknowledged by three replicas and read back."""
    with by_hand(kafka) as hand:
        hand_seconds = timed(lambda: (hand.format(), serve(hand), first_record(hand.reach)))
    with laid_out() as (home, nodes, leaves, ca):
        processes = []
        servers = ",".join(f"{n.address}:{n.ports['CLIENT_SECURE']}" for n in nodes if "CLIENT_SECURE" in n.ports)
        try:
            bare_seconds = timed(
                lambda: (processes.extend(bare(home / "bare", nodes, leaves)), first_record(Reach(servers, str(ca))))
            )
        finally:
            for process in processes:
                process.kill()
                process.wait()
    with ours() as side:
        began = time.monotonic()
        _, reach = side.create("bench")
        active = time.monotonic() - began
        first_record(reach)
        seconds = time.monotonic() - began
    return [
        Result("CreateCluster to first record", "s", seconds, by_hand=hand_seconds, goal_ratio=0.4),
        Result("… against the same files and flags started bare", "s", seconds, by_hand=bare_seconds, goal_ratio=1.2),
        Result("… of it until ACTIVE", "s", active),
    ]


def broken(reach: Reach, victim: int, kill: Callable[[], None]) -> tuple[float, float, float, int]:
    """(leaders moved, ISR full, longest pause of a partition, acknowledged records lost) after one broker is killed."""
    watch = Watch(reach)
    until("a quiet start", watch.full)
    with Load(reach) as load_:
        time.sleep(3)
        began = time.monotonic()
        kill()
        until("leaders elsewhere", lambda: watch.led_without(victim), every=0.02)
        moved = time.monotonic() - began
        until("full ISR", watch.full, every=0.1)
        full = time.monotonic() - began
        time.sleep(1)
    return moved, full, max(load_.gaps.values()), lost(reach, load_.acked)


def heal(kafka: Installed) -> list[Result]:
    """kill -9 of one broker under load, then of all six nodes at once."""
    victim = 2
    with by_hand(kafka) as hand:
        hand.format()
        serve(hand)
        first_record(hand.reach)

        def kill_and_restart() -> None:
            hand.kill(victim)
            hand.start(victim)

        hand_moved, hand_full, hand_gap, hand_lost = broken(hand.reach, victim, kill_and_restart)
    with ours() as side:
        arn, reach = side.create("bench")
        first_record(reach)
        moved, full, gap, missing = broken(
            reach, victim, lambda: os.kill(side.pids()[f"broker-{victim}"], signal.SIGKILL)
        )
        until("ACTIVE", lambda: side.state(arn) == "ACTIVE", every=0.1)
        again = all_six(side, arn, reach)
    return [
        Result("kill -9 of a broker: leaders moved", "s", moved, by_hand=hand_moved, goal=0.5),
        Result("kill -9 of a broker: every ISR full", "s", full, by_hand=hand_full, goal=4.0, goal_ratio=0.4),
        Result("kill -9 of a broker: longest pause of a partition", "s", gap, by_hand=hand_gap),
        Result("acknowledged records lost", "", float(missing), by_hand=float(hand_lost), goal=0.0),
        Result("all six nodes killed: serving again", "s", again),
    ]


def all_six(side: Ours, arn: str, reach: Reach) -> float:
    watch = Watch(reach)
    began = time.monotonic()
    for pid in side.pids().values():
        os.kill(pid, signal.SIGKILL)
    until("leaders again", lambda: watch.led_without(-1) and side.state(arn) != "ACTIVE", every=0.1)
    seconds = time.monotonic() - began
    until("ACTIVE", lambda: side.state(arn) == "ACTIVE", every=0.1)
    return seconds


def kept(results: list[Result], *, whole: bool) -> list[Result]:
    """What is written down: all that was measured now, and, where only some suites ran, the last of the others."""
    if whole:
        return results
    names = {field.name for field in fields(Result)}
    before = json.loads((HERE / "latest.json").read_text())["results"]
    old = [Result(**{name: value for name, value in each.items() if name in names}) for each in before]
    now = {result.what for result in results}
    return [*(each for each in old if each.what not in now), *results]


def main() -> None:
    chosen = load()
    kafka = distributions.install(VERSION, chosen.cache, chosen.maven_mirror)
    suites: dict[str, Callable[[], list[Result]]] = {
        "create": lambda: create(kafka),
        "heal": lambda: heal(kafka),
        "plane": plane.measure,
        "roll": lambda: roll.measure(kafka),
        "scale": lambda: scale.measure(kafka),
        "plans": plans.measure,
        "many": many.measure,
    }
    wanted = sys.argv[1:] or list(suites)
    results = [result for name in wanted for result in suites[name]()]
    by_name = {result.what: result for result in results}
    if {"CreateCluster to first record", "all six nodes killed: serving again"} <= set(by_name):
        made = by_name["CreateCluster to first record"].ours
        again = by_name["all six nodes killed: serving again"].ours
        results.append(Result("… against a create", "s", again, by_hand=made, goal_ratio=1.3))
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}, Java by hand: {java()}"
    at = datetime.now(UTC).date().isoformat()
    print(text(results, machine, at))
    if results := kept(results, whole=not sys.argv[1:]):
        document = {"at": at, "machine": machine, "results": [result.as_json for result in results]}
        (HERE / "latest.json").write_text(json.dumps(document, indent=2) + "\n")
        page = README.read_text()
        if BEGIN in page:
            head, _, rest = page.partition(BEGIN)
            README.write_text(f"{head}{BEGIN}\n{markdown(results, machine, at)}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
