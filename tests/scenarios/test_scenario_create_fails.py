"""A create that cannot work: FAILED with cause and fix, and the delete leaves nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from oracle.plane import Home, Plane


def test_the_disk_is_full(small_disk: Path, homes: Callable[..., Home]) -> None:
    """The disk of the nodes and of the store alike: what happened is written down all the same."""
    home = homes(within=small_disk, create_patience_seconds="8")
    plane = Plane(home).up()
    free = os.statvfs(small_disk)
    ballast = small_disk / "ballast"
    # Room for the files of some nodes, and not for what they write.
    ballast.write_bytes(b"\0" * (free.f_bavail * free.f_bsize - 300_000))
    cluster = plane.begin("cramped")
    cluster.reach("FAILED")
    info = cluster.describe()["StateInfo"]
    assert "space" in info["Message"], info
    ballast.unlink()
    cluster.delete()


def test_there_is_no_java(homes: Callable[..., Home], tmp_path: Path) -> None:
    empty = tmp_path / "no-java"
    empty.mkdir()
    plane = Plane(homes(java_home=str(empty))).up()
    cluster = plane.begin("javaless")
    cluster.reach("FAILED")
    info = cluster.describe()["StateInfo"]
    assert str(empty) in info["Message"]
    assert "java_home" in info["Message"]
    assert "Java 17 or newer" in info["Message"], "it says no fix"
    cluster.delete()


def test_nodes_may_not_enter_the_home(homes: Callable[..., Home]) -> None:
    home = homes()
    closed = home.path / "closed"
    closed.mkdir(mode=0o700 if os.geteuid() == 0 else 0o000)
    inner = Home(closed / "inner", home.registry, dict(home.settings))
    refused = inner.run("up", "--detach", "--listen", "127.0.0.1:0", check=False)
    assert refused.returncode == 1
    assert str(closed) in refused.stderr
    assert "Traceback" not in refused.stderr
    assert inner.processes() == []
    closed.chmod(0o700)
