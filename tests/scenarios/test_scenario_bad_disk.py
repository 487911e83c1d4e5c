"""The filesystem of a broker's volume stops with an I/O error: the broker halts, says why, and comes back on a fresh mount."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable

import pytest
from fakes.disks import cannot
from oracle.load import check, loaded, make_topic
from oracle.plane import Home, Plane, until

pytestmark = pytest.mark.skipif(cannot() is not None, reason=cannot() or "")
TOPIC, PARTITIONS = "orders", 3
SHUTDOWN = 0x8004587D
"""ioctl: the filesystem answers everything with an I/O error from now on, until it is mounted anew (linux/fs.h)."""
HALTS = ("Shutdown broker", "fatal fault")
"""Whichever meets the error first says it: the log manager, or the thread that writes the metadata log."""


def test_a_disk_that_fails_once(homes: Callable[..., Home]) -> None:
    plane = Plane(homes(volumes="filesystem")).up()
    spoiled = plane.begin("spoiled", volume_gib=1)
    spoiled.active()
    config = spoiled.client("tls")
    make_topic(config, TOPIC, PARTITIONS)
    with loaded(config, TOPIC, PARTITIONS) as load:
        old = spoiled.pid("broker-1")
        handle = os.open(spoiled.volume("broker-1") / "disk", os.O_RDONLY)
        try:
            fcntl.ioctl(handle, SHUTDOWN, struct.pack("=I", 2))
        finally:
            os.close(handle)
        spoiled.healed("broker-1", old)
        until(
            lambda: any(
                "Input/output error" in said and any(way in said for way in HALTS) for said in spoiled.events()
            ),
            "the cause is told",
            more=spoiled.said,
        )
        load.advance()
    check(config, TOPIC, PARTITIONS, [load])
    spoiled.delete()
