"""Files for their owner's eyes alone."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from penstock.pki.private_file import create_private, write_private


@pytest.fixture(autouse=True)
def _generous_umask() -> object:
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_key_is_readable_by_its_owner_alone_whatever_was_there_before(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(b"old, and open to all")
    path.chmod(0o666)
    write_private(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_sees_the_old_or_the_new_and_never_a_part(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    write_private(path, b"old")
    with path.open("rb") as reader:
        write_private(path, b"brand new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"brand new"


def test_of_racing_makers_one_wins_and_all_agree(tmp_path: Path) -> None:
    path, start, won = tmp_path / "seal.key", threading.Barrier(8), []

    def make(number: int) -> None:
        start.wait()
        if create_private(path, bytes([number])):
            won.append(number)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() == bytes(won)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_private(tmp_path / "taken", b"x")
    with pytest.raises(FileNotFoundError):
        write_private(tmp_path / "no" / "folder", b"x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]
