"""The log holds up nobody: not where nobody reads it, not where its disk is full."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from penstock.telemetry.logs import Voice

LINE = "a line of the log, as long as they are\n"
PATIENCE = 20.0

PASSES = """
import sys, threading
from penstock.control.loop import Loop
from penstock.control.reconciler import Verdict
from penstock.telemetry.logs import configure

class Talkative:
    passes, done = 0, threading.Event()

    def reconcile(self, resource, *, woken):
        self.passes += 1
        if self.passes == 30:
            self.done.set()
        loop.wake(resource)
        raise RuntimeError("the reason " * 1000)

    def forget(self, resource): ...

configure()
talkative = Talkative()
loop = Loop(talkative, workers=2)
loop.start(["a"])
sys.exit(0 if talkative.done.wait(20) else 1)
"""


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def read(end):
    os.set_blocking(end, False)
    said = b""
    while True:
        try:
            said += os.read(end, 1 << 20)
        except BlockingIOError:
            return said.decode()


def test_what_is_taken_is_there_line_by_line(pipe):
    voice = Voice(pipe[1])
    voice.write("one\n")
    voice.write("two ä\n")
    assert read(pipe[0]) == "one\ntwo ä\n"


def test_lines_that_nobody_takes_hold_up_nobody_and_are_counted(pipe):
    voice = Voice(pipe[1])
    talker = threading.Thread(target=lambda: [voice.write(LINE) for _ in range(10_000)], daemon=True)
    talker.start()
    talker.join(PATIENCE)
    assert not talker.is_alive()
    taken = read(pipe[0]).count(LINE)
    assert 0 < taken < 10_000
    voice.write("after it\n")
    assert read(pipe[0]) == f"\n{10_000 - taken} lines of this log were lost: they were not taken\nafter it\n"


def test_a_full_disk_is_no_error():
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        assert Voice(full).write(LINE) == len(LINE)
    finally:
        os.close(full)


def test_a_reader_that_is_gone_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert Voice(writer).write(LINE) == len(LINE)
    finally:
        os.close(writer)


@pytest.mark.parametrize("disk", ["full", "unread"])
def test_the_loop_goes_on_where_nobody_takes_what_it_says(disk, pipe):
    said = os.open("/dev/full", os.O_WRONLY) if disk == "full" else os.dup(pipe[1])
    try:
        root = Path(__file__).parents[2]
        ended = subprocess.run([sys.executable, "-c", PASSES], stderr=said, cwd=root, timeout=60, check=False)
    finally:
        os.close(said)
    assert ended.returncode == 0
