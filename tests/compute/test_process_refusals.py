"""What cannot run says why and what to do, and is no loop; bad disks and cut-off work leave nothing half-made."""

from __future__ import annotations

import errno
import os
import socket
import tempfile
from pathlib import Path

import pytest
from attrs import evolve
from fakes.worlds import CLUSTER, ProcessWorld, broker, eventually, gone, running, sees, specify

from penstock.compute.base import ComputeError
from penstock.compute.process import files, loopback, volumes
from penstock.compute.process.label import LABEL
from penstock.compute.process.provider import ProcessCompute
from penstock.model.action import How
from penstock.model.ids import ClusterId
from penstock.model.node import Applies, File
from penstock.model.observation import Absent, Blocked, Gone, Running, Unknown
from penstock.model.spec import Endpoint

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs nodes as somebody else")


def test_a_stranger_on_the_port_is_named_and_the_node_starts_when_it_has_gone(world: ProcessWorld) -> None:
    node = specify(world, broker(1))
    with socket.create_server((node.address, 9092)):
        with pytest.raises(ComputeError, match=rf"pid {os.getpid()} .* already listens on {node.address}:9092"):
            world.compute.start(node, [], fence=1)
        seen = sees(world, node.id)
        assert isinstance(seen, Blocked)
        assert f"pid {os.getpid()}" in seen.why
        assert "Stop that program" in seen.fix
    assert isinstance(sees(world, node.id), Absent), "the stranger has gone, so has the block"
    world.compute.start(node, [], fence=1)
    assert isinstance(sees(world, node.id), Running)


def test_a_stranger_on_the_wildcard_address_counts_too(world: ProcessWorld) -> None:
    with socket.create_server(("0.0.0.0", 0)) as stranger:
        port = stranger.getsockname()[1]
        node = specify(world, broker(1), ports={"CLIENT": port})
        with pytest.raises(ComputeError, match=f"already listens on {node.address}:{port}"):
            world.compute.start(node, [], fence=1)


def test_an_address_that_the_machine_does_not_have_is_said(world: ProcessWorld) -> None:
    node = specify(world, broker(1), address="192.0.2.7")
    with pytest.raises(ComputeError, match=r"listening on 192\.0\.2\.7:9092.*Cannot assign requested address"):
        world.compute.start(node, [], fence=1)
    assert isinstance(sees(world, node.id), Blocked)


def test_a_stranger_on_a_port_beside_the_nodes_own_address_keeps_it_down_too(world: ProcessWorld) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        node = specify(world, broker(1), beside=(Endpoint("127.0.0.1", {"CLIENT_SECURE": port}),))
        with pytest.raises(ComputeError, match=f"already listens on 127.0.0.1:{port}, its port for CLIENT_SECURE"):
            world.compute.start(node, [], fence=1)
        assert isinstance(sees(world, node.id), Blocked)
    assert isinstance(sees(world, node.id), Absent)
    world.compute.start(node, [], fence=1)
    assert isinstance(sees(world, node.id), Running)


@pytest.mark.skipif(loopback.why_not() is not None, reason="giving the loopback device addresses takes root")
def test_an_address_over_ipv6_is_there_while_its_node_wants_it(world: ProcessWorld) -> None:
    found = world.compute.propose([(broker(1), 1, {"CLIENT_IPV6": 20092})], [], ipv6=True)[broker(1)]
    node = specify(world, broker(1))
    with_ipv6 = evolve(node, beside=(found,))

    def there() -> bool:
        return found.address in loopback.present()

    try:
        assert not there()
        world.compute.start(with_ipv6, [], fence=1)
        assert there()
        # What a restart of the machine takes away, the next control plane brings back.
        loopback.remove(found.address)
        world.new_control_plane()
        world.compute.watch(lambda _: None)
        assert there()
        world.kill(node.id)
        world.compute.start(node, [], fence=1)
        assert not there(), "the node does not want it any more"
        world.kill(node.id)
        world.compute.start(with_ipv6, [], fence=1)
        world.compute.remove(node.id, fence=1)
        assert not there()
    finally:
        loopback.remove(found.address)


def test_no_java_is_said_until_there_is_one(world: ProcessWorld) -> None:
    java = world.root / "java"
    node = specify(world, broker(1), (str(java), "600"))
    with pytest.raises(ComputeError, match=f"its program {java} does not exist"):
        world.compute.start(node, [], fence=1)
    seen = sees(world, node.id)
    assert isinstance(seen, Blocked)
    assert "PENSTOCK_JAVA_HOME" in seen.fix
    java.symlink_to("/bin/sleep")
    assert isinstance(sees(world, node.id), Absent)
    world.compute.start(node, [], fence=1)
    assert isinstance(sees(world, node.id), Running)


def test_a_program_that_is_none_fails_the_start_and_keeps_the_record_of_the_run_before(world: ProcessWorld) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    world.kill(node.id)
    text = world.root / "not-a-program"
    text.write_bytes(b"\x7fELF, it says")
    text.chmod(0o755)
    with pytest.raises(ComputeError, match=r"executing .*not-a-program failed: Exec format error"):
        world.compute.start(evolve(node, command=(str(text),)), [], fence=1)
    assert gone(world, node.id).status == "signal 9 (SIGKILL)"
    eventually(lambda: not world.pids())


@as_root
def test_a_program_that_the_nodes_user_may_not_reach_is_said(world: ProcessWorld) -> None:
    closed = world.root / "closed"
    closed.mkdir(mode=0o700)
    (closed / "java").write_text("#!/bin/sh\n")
    (closed / "java").chmod(0o755)
    node = specify(world, broker(1), (str(closed / "java"),))
    with pytest.raises(ComputeError, match="may not be executed by the user `nobody`"):
        world.compute.start(node, [], fence=1)


@as_root
def test_a_home_that_the_nodes_user_cannot_enter_is_refused_at_once(world: ProcessWorld) -> None:
    closed = world.root / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(ComputeError, match=rf"`nobody`, who may not enter {closed}.*PENSTOCK_HOME"):
        ProcessCompute(closed / "home", registry=world.root / "networks")
    assert closed.stat().st_mode & 0o777 == 0o700, "nothing outside the home is changed"


def test_a_user_that_does_not_exist_is_refused(world: ProcessWorld) -> None:
    with pytest.raises(ComputeError, match="PENSTOCK_RUN_AS"):
        ProcessCompute(world.root / "other", run_as="no-such-user", registry=world.root / "networks")


def test_a_disk_that_fills_while_a_volume_is_made_leaves_no_half_volume(
    world: ProcessWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = specify(world, broker(1))
    real = files.write

    def full(path: Path, *rest: object, **more: object) -> None:
        if path.name == LABEL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        real(path, *rest, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(volumes, "write", full)
        with pytest.raises(ComputeError, match=r"making the volume of broker 1 .*No space left.*free some space"):
            world.compute.start(node, [], fence=1)
    assert list(world.home.volumes.rglob("data")) == []
    assert isinstance(sees(world, node.id), Absent)
    world.compute.start(node, [], fence=1)
    assert isinstance(sees(world, node.id), Running)
    assert world.compute.quarantined(CLUSTER) == []


def test_a_format_reaches_into_folders_that_the_node_owns(world: ProcessWorld) -> None:
    deep = File("a/b/checkpoint", b"records", Applies.FORMAT)
    tries = "cat @volume@/a/b/checkpoint && touch @volume@/a/mine && echo; echo wrote; exec sleep 600"
    node = specify(world, broker(1), ("/bin/sh", "-c", tries), files=(deep,))
    world.compute.start(node, [], fence=1)
    eventually(lambda: world.compute.tail(node.id, 2) == ["records", "wrote"])


def test_what_a_killed_control_plane_left_of_a_volume_is_swept(world: ProcessWorld) -> None:
    node = specify(world, broker(1))
    cluster = world.home.volumes / CLUSTER
    (cluster / ".broker-1.new-00112233" / "data").mkdir(parents=True)
    (cluster / ".broker-1.gone-00112233" / "data").mkdir(parents=True)
    world.compute.start(node, [], fence=1)
    assert [path.name for path in cluster.iterdir()] == ["broker-1"]
    (cluster / ".broker-1.gone-44556677").mkdir()
    world.compute.remove(node.id, fence=1)
    assert not cluster.exists()


def test_a_volume_without_a_label_is_kept_aside(world: ProcessWorld) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    world.put(node.id, "record", b"acknowledged")
    world.compute.stop(node.id, How.AT_ONCE, fence=1)
    (world.home.place(node.id).volume / LABEL).unlink()
    place = world.compute.remove(node.id, fence=1)
    assert place is not None
    assert place.endswith("-broker-1-unlabelled")
    assert world.in_quarantine(place)["record"] == b"acknowledged"
    assert world.compute.clusters() == []


def test_a_volume_alone_is_a_stray_too(world: ProcessWorld) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    world.compute.stop(node.id, How.AT_ONCE, fence=1)
    files.delete(world.home.nodes / CLUSTER)
    assert world.compute.clusters() == [CLUSTER]
    assert isinstance(sees(world, node.id), Absent)
    assert world.compute.remove(node.id, fence=1) is None
    assert world.compute.clusters() == []


def test_a_damaged_record_is_unknown_and_not_absent(world: ProcessWorld) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    record = world.home.place(node.id).record("node")
    record.write_bytes(b"\0\0\0")
    seen = world.compute.sightings(CLUSTER)[node.id]
    assert isinstance(seen, Unknown)
    assert str(record.parent) in seen.why
    with pytest.raises(ComputeError, match="cannot be read"):
        world.compute.start(node, [], fence=1)
    world.compute.remove(node.id, fence=1)
    assert world.compute.sightings(CLUSTER) == {}
    assert world.pids() == [], "its process was ended before anything was deleted"


def test_a_home_that_is_not_there_is_an_error_and_not_an_empty_home(world: ProcessWorld) -> None:
    world.compute.start(specify(world, broker(1)), [], fence=1)
    away = world.root / "unmounted"
    world.home.root.rename(away)
    try:
        with pytest.raises(ComputeError, match="No such file"):
            world.compute.sightings(CLUSTER)
        with pytest.raises(ComputeError, match="No such file"):
            world.compute.clusters()
    finally:
        away.rename(world.home.root)
    assert isinstance(sees(world, broker(1)), Running)


def test_paths_that_lead_out_of_a_node_are_refused(world: ProcessWorld) -> None:
    node = specify(world, broker(1))
    for path in ("../../escape", "/etc/escape", ""):
        with pytest.raises(ComputeError, match="no path inside"):
            world.compute.start(evolve(node, files=(File(path, b""),)), [], fence=1)
    with pytest.raises(ComputeError, match="no name of a cluster"):
        world.compute.remove(broker(1, ClusterId("../nodes")), fence=1)
    assert world.compute.sightings(ClusterId("..")) == {}


def test_two_homes_run_the_same_cluster_name_and_port_side_by_side(world: ProcessWorld) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    root = Path(tempfile.mkdtemp(prefix="penstock-second-"))
    root.chmod(0o711)
    other = ProcessWorld(root)
    other.compute = ProcessCompute(other.home.root, registry=world.root / "networks")
    try:
        second = specify(other, broker(1))
        assert second.address.split(".")[:2] != node.address.split(".")[:2]
        other.compute.start(second, [], fence=1)
        other.compute.remove(second.id, fence=1)
        assert isinstance(sees(world, node.id), Running)
        assert running(world, node.id).fence == 1
    finally:
        other.close()
        files.delete(root)


def test_a_second_start_from_another_process_of_the_home_finds_the_node(world: ProcessWorld) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    pid = running(world, node.id).pid
    with_the_same_home = world.open()
    with_the_same_home.start(node, [], fence=1)
    assert running(world, node.id).pid == pid
    with_the_same_home.stop(node.id, How.AT_ONCE, fence=1)
    assert isinstance(sees(world, node.id), Gone)
