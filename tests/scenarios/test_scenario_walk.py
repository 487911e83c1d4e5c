"""The README's first walk, word for word, as a new user types it."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from oracle.aws_cli import on_this_machine
from oracle.plane import ROOT, Home, ran

README = (ROOT / "README.md").read_text(encoding="utf-8")
FENCES = re.findall(r"^```sh walk\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
"""What is typed. Fences with another tag install, or are no part of the walk."""
SAYS = (
    r"Penstock serves .+ at http://127\.0\.0\.1:\d+",
    r'"State": "CREATING"(?s:.)+orders  ACTIVE(?s:.)+"BootstrapBrokerStringTls": "127\.\d+',
    r"(?m:^[0-2] 0 hello \d$)",
    r"broker 2 ended with signal 9(?s:.)+HEALING -> ACTIVE(?s:.)+There is nothing to do",
    r"UPDATE_COMPLETE(?s:.)+orders  ACTIVE",
    r"broker 1(?s:.)+\"OperationType\": \"REBOOT_NODE\"",
    r'"State": "DELETING"(?s:.)+no clusters(?s:.)+home is removed',
)
"""What each of them answers, among other things."""
MARK = "==== next"


def test_the_walk_goes_as_it_is_written(homes: Callable[..., Home], tmp_path: Path) -> None:
    if not on_this_machine():
        pytest.skip("the AWS CLI is not on the PATH")
    assert len(FENCES) == len(SAYS)
    home = homes(listen="127.0.0.1:0")  # the walk's own port may be taken here
    typed = f"\necho '{MARK}'\n".join(FENCES)
    done = ran(["bash", "-euo", "pipefail", "-c", typed], user(home, tmp_path), 150, tmp_path)
    said = done.stdout.split(MARK)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    for fence, pattern, answer in zip(FENCES, SAYS, said, strict=True):
        assert re.search(pattern, answer), f"{fence}\nanswered\n{answer}\nand not {pattern}"
    assert {f"hello {number}" for number in range(10)} <= set(re.findall(r"hello \d", said[2])), "records were lost"
    pids = [re.findall(r"broker-1 .+ as pid (\d+) ", said[index]) for index in (1, 4)]
    assert pids[0] == pids[1] != [], "the change restarted a broker"
    addresses = re.search(r'"BootstrapBrokerStringTls": "([^"]+)"', said[1])
    assert addresses is not None
    how = json.loads((tmp_path / "client.json").read_text())
    assert how["bootstrap_servers"] == addresses[1]
    assert 'BootstrapBrokerString"' not in said[1], "clients speak TLS unless asked for otherwise"
    assert home.left() == []


def user(home: Home, folder: Path) -> dict[str, str]:
    """The environment of somebody who has installed this checkout and knows nothing of AWS."""
    penstock = folder / "bin" / "penstock"
    penstock.parent.mkdir()
    penstock.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m penstock "$@"\n')
    penstock.chmod(0o755)
    nothing = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    own = {name: value for name, value in home.environment.items() if not name.startswith("PYTHON")}
    path = os.pathsep.join((str(penstock.parent), str(Path(sys.executable).parent), own["PATH"]))
    return own | nothing | {"PATH": path}
