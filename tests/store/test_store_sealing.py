"""Secrets in the store: sealed on the disk, and only open with the home's key, in their own place."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import sqlalchemy as sa

from penstock.store.errors import StoreError, WrongKey
from penstock.store.seal import Seal, load_key
from penstock.store.store import Store

PLAINTEXT = b"-----BEGIN PRIVATE KEY----- the CA's own"


def test_no_plaintext_reaches_the_files(store: Store, tmp_path: Path) -> None:
    with store.write() as tx:
        tx.secrets.put("home", "ca", b"a first value that is replaced")
        tx.secrets.put("home", "ca", PLAINTEXT)
        root = tx.identity.root_key()
    with store.read() as tx:
        assert tx.secrets.get("home", "ca") == PLAINTEXT
        assert tx.secrets.get("home", "other") is None
        assert tx.identity.find(root.id) == root
        assert tx.identity.find("AKIAUNKNOWN") is None
    on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert root.id.encode() in on_disk, "the search does not see what is there"
    for secret in (PLAINTEXT, b"a first value", root.secret.encode(), b"BEGIN PRIVATE"):
        assert secret not in on_disk
    assert root.secret not in repr(root)
    assert (root.id[:4], len(root.id), len(root.secret)) == ("AKIA", 20, 40)


def test_the_files_are_their_owners_alone(store: Store, tmp_path: Path) -> None:
    with store.write() as tx:
        tx.secrets.put("home", "ca", PLAINTEXT)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 3
    assert set(modes.values()) == {0o600}, modes


def test_another_key_is_found_out_when_the_store_is_opened(store: Store, url: str) -> None:
    with pytest.raises(WrongKey, match=r"the key file is not the one .* Restore the key file"):
        Store(url, b"another key of thirty-two bytes!")


@pytest.mark.parametrize("gone", ["access_keys", "secrets"])
def test_a_key_that_is_taken_away_is_nobodys_from_the_next_look_on(store: Store, url: str, gone: str) -> None:
    with store.read() as tx:
        root = tx.identity.root_key()
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        assert connection.exec_driver_sql(f"DELETE FROM {gone}").rowcount == 1
    engine.dispose()
    with store.read() as tx:
        assert tx.identity.find(root.id) is None


def test_a_sealed_value_does_not_open_in_another_row_or_when_changed(store: Store, url: str) -> None:
    with store.write() as tx:
        tx.secrets.put("mallory", "ca", b"hers")
        tx.secrets.put("home", "ca", PLAINTEXT)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE secrets SET sealed = (SELECT sealed FROM secrets WHERE owner = 'mallory') WHERE owner = 'home'"
        )
    engine.dispose()
    with pytest.raises(WrongKey), store.read() as tx:
        tx.secrets.get("home", "ca")


@pytest.mark.parametrize("spoil", [lambda s: s[:-1], lambda s: b"\x02" + s[1:], lambda s: b"", lambda s: s[:9]])
def test_a_damaged_value_is_a_sentence(spoil: object, key: bytes) -> None:
    assert callable(spoil)
    seal = Seal(key)
    with pytest.raises(WrongKey, match="or the row was changed"):
        seal.open("home", "ca", spoil(seal.close("home", "ca", PLAINTEXT)))


def test_owner_and_name_do_not_run_into_each_other(key: bytes) -> None:
    seal = Seal(key)
    with pytest.raises(WrongKey):
        seal.open("a", "b/c", seal.close("a/b", "c", PLAINTEXT))


def test_the_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "seal.key"
    key = load_key(path)
    assert len(key) == 32
    assert load_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["seal.key"]


def test_a_key_that_cannot_be_used_says_why_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "seal.key"
    load_key(path)
    path.chmod(0o640)
    with pytest.raises(StoreError, match=r"open to other users.*chmod 600"):
        load_key(path)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(StoreError, match=r"has 5 bytes in place of 32.*backup"):
        load_key(path)
    with pytest.raises(StoreError, match="Give the user"):
        load_key(tmp_path / "no" / "such" / "folder")
