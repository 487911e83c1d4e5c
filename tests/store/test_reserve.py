"""Room that is kept back for the day on which the disk is full."""

import os
from pathlib import Path

from penstock.model.ids import new_cluster_id
from penstock.store.reserve import Reserve
from penstock.store.seal import load_key
from penstock.store.store import Store


def test_the_room_is_really_taken_and_given_back(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", size=1 << 20)
    assert reserve.hold()
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= 1 << 20
    assert reserve.let_go()
    assert not reserve.let_go(), "it can be given once"
    assert reserve.hold(), "and taken again"


def test_without_room_nothing_is_left_behind(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", size=1 << 60)
    assert not reserve.hold()
    assert not (tmp_path / "reserve").exists()


def test_on_a_full_disk_a_store_in_charge_goes_on_writing(small_disk: Path) -> None:
    store = Store(f"sqlite:///{small_disk / 'store.sqlite3'}", load_key(small_disk / "key"))
    try:
        store.raise_term()
        free = os.statvfs(small_disk)
        (small_disk / "ballast").write_bytes(b"\0" * (free.f_bavail * free.f_bsize))
        assert os.statvfs(small_disk).f_bavail == 0
        cluster = new_cluster_id()
        for number in range(200):
            with store.write() as rows:
                rows.secrets.put(cluster, f"secret-{number}", b"x" * 500)
        with store.read() as rows:
            assert rows.secrets.get(cluster, "secret-199") == b"x" * 500
    finally:
        store.close()
