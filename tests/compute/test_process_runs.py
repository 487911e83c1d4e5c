"""Nodes outlive the control plane, their keepers and each other; their ends are known."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from fakes.worlds import CLUSTER, ProcessWorld, broker, eventually, gone, running, sees, specify

from penstock.compute.base import ComputeError
from penstock.compute.process import process
from penstock.compute.process.process import Process, facts
from penstock.compute.process.provider import ProcessCompute
from penstock.model.action import How
from penstock.model.ids import NodeId
from penstock.model.node import File, Resources
from penstock.model.observation import Gone, Running, Unknown

TERM_143 = ("/bin/sh", "-c", "mkfifo never; trap 'exit 143' TERM; echo ready; read line <>never")
"""Answers SIGTERM with exit status 143, as Java does, and has no child."""


def keeper_of(world: ProcessWorld, node: NodeId) -> Process:
    record = json.loads(world.home.place(node).record("keeper").read_bytes())
    return Process(record["pid"], record["birth"])


def test_a_node_belongs_to_no_session_of_the_control_plane(world: ProcessWorld) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    pid, keeper = running(world, node.id).pid, keeper_of(world, node.id)
    assert os.getsid(pid) != os.getsid(0)
    assert os.getsid(keeper.pid) != os.getsid(0)
    with pytest.raises(ChildProcessError):
        os.waitpid(keeper.pid, os.WNOHANG)  # no child of ours: nothing here has to reap it


def test_where_the_kernel_refuses_the_background_the_start_fails_and_leaves_no_keeper(
    world: ProcessWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(pid: int, nice: int) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    node = specify(world, broker(1))
    with monkeypatch.context() as patch:
        patch.setattr(process, "weigh", refuse)
        with pytest.raises(ComputeError, match="starting a keeper for broker 1 failed"):
            world.compute.start(node, [], fence=1, background=True)
    assert not world.home.place(node.id).record("run").exists()
    world.compute.start(node, [], fence=1)
    assert running(world, node.id)


def test_a_control_plane_that_is_killed_with_all_its_group_takes_no_node_with_it(world: ProcessWorld) -> None:
    script = (
        "import sys, time; from pathlib import Path; from fakes.worlds import *; world = ProcessWorld(Path(sys.argv[1]));"
        "node = specify(world, broker(1)); world.compute.watch(print); world.compute.start(node, [], 1); print('started', flush=True);"
        "time.sleep(600)"
    )
    plane = subprocess.Popen(
        [sys.executable, "-c", script, str(world.root)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        start_new_session=True,
    )
    assert plane.stdout is not None
    with plane.stdout as said:
        assert any("started" in line for line in iter(said.readline, ""))
        pid = running(world, broker(1)).pid
        os.killpg(plane.pid, signal.SIGKILL)
        plane.wait()
    time.sleep(0.05)
    assert running(world, broker(1)).pid == pid
    assert facts(keeper_of(world, broker(1))) is not None


def test_many_who_start_the_same_node_at_once_start_it_once(world: ProcessWorld) -> None:
    node = specify(world, broker(1))
    planes = [world.compute, world.compute, world.open(), world.open()]

    def start(plane: ProcessCompute) -> str:
        try:
            plane.start(node, [], fence=1)
        except ComputeError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(start, planes))
    assert "" in said
    pid = running(world, node.id).pid
    eventually(lambda: len(world.pids()) == 2)  # one node and one keeper; those who came too late leave by themselves
    world.compute.start(node, [], fence=1)
    assert running(world, node.id).pid == pid


def test_java_s_way_of_answering_the_stop_signal_is_good_order(world: ProcessWorld) -> None:
    node = specify(world, broker(1), TERM_143)
    world.compute.start(node, [], fence=1)
    eventually(lambda: world.compute.tail(node.id, 1) == ["ready"])
    world.compute.stop(node.id, How.GRACEFUL, fence=1)
    seen = gone(world, node.id)
    assert seen.status == "exit status 143"
    assert seen.clean


def test_a_node_that_fails_says_its_last_words(world: ProcessWorld) -> None:
    node = specify(world, broker(1), ("/bin/sh", "-c", "echo cannot open the log directory >&2; exit 3"))
    world.compute.start(node, [], fence=1)
    seen = gone(world, node.id)
    assert (seen.status, seen.short_runs, seen.clean, seen.requested) == ("exit status 3", 1, False, False)
    assert world.compute.tail(node.id, 3) == ["cannot open the log directory"]


def test_a_run_of_half_a_minute_ends_the_row_of_short_ones(world: ProcessWorld) -> None:
    node = specify(world, broker(1))
    for _ in range(2):
        world.compute.start(node, [], fence=1)
        world.kill(node.id)
    assert gone(world, node.id).short_runs == 2
    ended = world.home.place(node.id).record("ended")
    history = json.loads(ended.read_bytes())
    history[-1]["seconds"] = 31.0
    ended.write_text(json.dumps(history))
    assert gone(world, node.id).short_runs == 0


def test_a_futile_run_of_minutes_is_one_more_in_the_row(world: ProcessWorld) -> None:
    node = specify(world, broker(1))
    for how in (None, How.AS_FUTILE):
        world.compute.start(node, [], fence=1)
        world.kill(node.id) if how is None else world.compute.stop(node.id, how, fence=1)
    ended = world.home.place(node.id).record("ended")
    history = json.loads(ended.read_bytes())
    history[-1]["seconds"] = 90.0
    ended.write_text(json.dumps(history))
    assert gone(world, node.id).short_runs == 2
    ended.write_text(json.dumps(history[:-1]))  # nobody saw the end
    assert gone(world, node.id).short_runs == 2


def test_a_killed_keeper_takes_nothing_with_it_and_is_replaced(world: ProcessWorld) -> None:
    world.compute.watch(lambda _: None)
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    pid, first = running(world, node.id).pid, keeper_of(world, node.id)
    time.sleep(0.02)
    os.kill(first.pid, signal.SIGKILL)
    eventually(lambda: keeper_of(world, node.id) != first)
    assert running(world, node.id).pid == pid
    os.kill(pid, signal.SIGKILL)
    seen = gone(world, node.id)
    assert seen.status == "unknown", "the new keeper is not the parent: it sees the end and not the status"
    assert seen.at is not None
    world.compute.start(node, [], fence=1)
    assert running(world, node.id).pid != pid


def test_without_any_keeper_the_end_is_still_known(world: ProcessWorld) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    os.kill(keeper_of(world, node.id).pid, signal.SIGKILL)
    os.kill(running(world, node.id).pid, signal.SIGKILL)
    seen = gone(world, node.id)
    assert (seen.status, seen.short_runs) == ("unknown", 1)
    assert seen.at is not None, "the last sign of life, so that pauses can be counted from it"
    world.compute.start(node, [], fence=1)
    assert isinstance(sees(world, node.id), Running)


def test_a_control_plane_that_comes_back_gives_every_node_a_keeper(world: ProcessWorld) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    first = keeper_of(world, node.id)
    os.kill(first.pid, signal.SIGKILL)
    eventually(lambda: facts(first) is None)
    world.new_control_plane()
    world.compute.watch(lambda _: None)
    eventually(lambda: keeper_of(world, node.id) != first)
    assert facts(keeper_of(world, node.id)) is not None


def test_a_frozen_keeper_does_not_hold_up_the_next_start(world: ProcessWorld) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    pid = running(world, node.id).pid
    os.kill(keeper_of(world, node.id).pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    assert gone(world, node.id).status == "unknown"
    world.compute.start(node, [], fence=1)
    assert running(world, node.id).pid != pid


def test_two_processes_never_share_a_volume(world: ProcessWorld) -> None:
    node = specify(world, broker(1), ("/bin/sh", "-c", "sleep 600 & exec sleep 600"))
    world.compute.start(node, [], fence=1)
    eventually(lambda: len(world.pids()) == 3)
    world.kill(node.id)  # its child lives and may still write
    with pytest.raises(ComputeError, match=r"pid \d+ \(sleep\) still holds the lock"):
        world.compute.start(node, [], fence=1)
    with pytest.raises(ComputeError, match=r"pid \d+ \(sleep\) still holds its lock"):
        world.compute.remove(node.id, fence=1)
    assert world.home.place(node.id).data.exists()


def test_a_lost_record_of_a_running_node_is_unknown_and_no_second_process_starts(world: ProcessWorld) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    record = world.home.place(node.id).record("run")
    record.write_text("{ damaged")
    assert isinstance(world.compute.sightings(CLUSTER)[node.id], Unknown)
    with pytest.raises(ComputeError, match="not known whether broker 1 runs"):
        world.compute.start(node, [], fence=1)
    record.unlink()
    with pytest.raises(ComputeError, match=r"already listens|still holds the lock|another keeper"):
        world.compute.start(node, [], fence=1)


def test_a_pid_that_another_process_has_now_is_not_the_node(world: ProcessWorld) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    world.kill(node.id)
    path = world.home.place(node.id).record("run")
    record = json.loads(path.read_bytes())
    path.write_text(json.dumps({**record, "pid": os.getpid()}))  # alive, but born at another time
    assert isinstance(sees(world, node.id), Gone)
    world.compute.stop(node.id, How.AT_ONCE, fence=1)  # and this test goes on


def test_a_big_log_is_rotated_and_its_end_can_still_be_read(world: ProcessWorld) -> None:
    world.compute.close()
    world.compute = world.open(rotate_bytes=2000, rotate_seconds=0.02)
    script = (
        "i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo line number $i; done; sleep 0.15; echo after; exec sleep 600"
    )
    node = specify(world, broker(1), ("/bin/sh", "-c", script))
    world.compute.start(node, [], fence=1)
    log = world.home.place(node.id).log
    eventually(lambda: log.read_text() == "after\n")
    assert log.with_name("node.log.1").stat().st_size > 2000
    assert world.compute.tail(node.id, 3) == ["line number 299", "line number 300", "after"]
    assert world.compute.tail(node.id, 1) == ["after"]
    assert world.compute.tail(node.id, 0) == []


def test_nodes_get_open_files_and_an_environment_without_our_secrets(
    world: ProcessWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalr")
    node = specify(
        world,
        broker(1),
        ("/bin/sh", "-c", "env; ulimit -n; pwd; exec sleep 600"),
        environment={"KAFKA_OPTS": "-Dconf=@node@/server.properties"},
        resources=Resources(64, 1, files=512),
    )
    world.compute.start(node, [], fence=1)
    place = world.home.place(node.id)
    eventually(lambda: str(place.work) in world.compute.tail(node.id, 1))
    said = world.compute.tail(node.id, 50)
    assert "512" in said
    assert f"KAFKA_OPTS=-Dconf={place.files}/server.properties" in said
    assert not [line for line in said if "AWS_" in line]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs nodes as somebody else")
def test_as_root_nodes_run_as_a_user_who_owns_nothing_but_its_own_files(world: ProcessWorld) -> None:
    tries = "id -un; cat @node@/password; echo; touch @volume@/mine && echo wrote; touch @node@/x; cat @node@/../node.json; exec sleep 600"
    node = specify(world, broker(1), ("/bin/sh", "-c", tries), files=(File("password", b"sesame", secret=True),))
    other = specify(world, broker(2))
    world.compute.start(other, [], fence=1)
    world.compute.start(node, [], fence=1)
    assert world.compute.capabilities.unprivileged
    eventually(lambda: len(world.compute.tail(node.id, 9)) >= 4)
    said = world.compute.tail(node.id, 9)
    assert said[:3] == ["nobody", "sesame", "wrote"]
    assert "Permission denied" in said[3], "it may not put files beside its own"
    assert os.stat(world.compute.path(node.id, "password")).st_mode & 0o777 == 0o600
    assert os.stat(world.home.place(node.id).record("node")).st_uid == 0
