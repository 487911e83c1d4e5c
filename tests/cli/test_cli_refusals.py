"""What the command line refuses: in one sentence, with what to do."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from penstock.app import open_home
from penstock.kafka.java import JavaError
from penstock.model.spec import ClusterStatus
from penstock.settings import load
from tests.cli.house import House, told
from tests.fakes.views import desired


class TestRefusals:
    @pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "example.org:80", ":9480"])
    def test_no_listener_for_everyone_without_authentication(self, house: House, listen: str) -> None:
        assert "wants a loopback listener" in told(house.say("up", "--insecure-no-auth", "--listen", listen))
        assert not house.home.exists()

    def test_a_port_that_is_taken(self, house: House) -> None:
        with socket.create_server(("127.0.0.1", 0)) as stranger:
            listen = f"127.0.0.1:{stranger.getsockname()[1]}"
            sentence = told(house.run("up", "--listen", listen))
        assert f"cannot listen on {listen}" in sentence
        assert "--listen" in sentence

    def test_a_home_that_is_a_file(self, house: House) -> None:
        house.home.write_text("a letter")
        assert f"{house.home} cannot be used" in told(house.run("up"))

    @pytest.mark.parametrize("command", [["status"], ["env"], ["up"], ["down"], ["doctor"]])
    def test_a_home_that_may_not_be_read(self, house: House, nobody: Callable[[], None], command: list[str]) -> None:
        house.say(*command, "--help")
        told(house.say("status"))  # whatever is imported late is imported now, by a user who may read it
        house.home.mkdir(mode=0)
        nobody()
        for chosen in ([], ["--home", str(house.home)]):
            sentence = told(house.say(*chosen, *command))
            assert f"{house.home}" in sentence
            assert "Permission denied; give it to the user that runs Penstock" in sentence

    @pytest.mark.parametrize(
        ("spoil", "words"),
        [
            (lambda home: (home / "key").chmod(0o644), "chmod 600"),
            (lambda home: (home / "key").write_bytes(b"short"), "was damaged"),
            (lambda home: (home / "key").write_bytes(bytes(32)), "Restore the key file"),
            (lambda home: (home / "store.sqlite3").write_bytes(b"no database" * 500), "restore it from a backup"),
            (lambda home: (home / "penstock.toml").write_text("region = 3"), "region: "),
            (lambda home: (home / "penstock.toml").write_text("listn = 'x'"), "listn: "),
            (lambda home: (home / "penstock.toml").write_text("listen ="), "is no TOML file"),
            (lambda home: (home / "penstock.toml").write_bytes(b"# gr\xfc\xdfe"), "is no TOML file"),
        ],
    )
    def test_a_home_that_is_spoilt_is_told_in_one_sentence(self, house: House, spoil, words: str) -> None:
        open_home(load(home=house.home, network_registry=house.root / "networks")).close()
        spoil(house.home)
        assert words in told(house.say("status"))

    @pytest.mark.parametrize(
        "written", ['[network]\naddress = "{}"', 'network.address = "{}"', 'network_address = "{}"']
    )
    @pytest.mark.parametrize(
        ("address", "why"),
        [
            ("192.0.2.77", "this machine does not have it"),
            ("localhost", "it is no IP address"),
            ("0.0.0.0", "clients cannot be told to connect to it"),
        ],
    )
    def test_up_refuses_an_address_that_brokers_cannot_share(
        self, house: House, written: str, address: str, why: str
    ) -> None:
        house.home.mkdir()
        (house.home / "penstock.toml").write_text(written.format(address))
        for flags in ([], ["--detach"]):
            sentence = told(house.say("up", *flags))
            assert f"brokers cannot listen on network_address {address}: {why}" in sentence
            assert "take it out" in sentence
        assert [path.name for path in house.home.iterdir()] == ["penstock.toml"]

    def test_a_setting_that_is_unknown_in_a_table(self, house: House) -> None:
        house.home.mkdir()
        (house.home / "penstock.toml").write_text('[network]\nadress = "127.0.0.1"')
        assert "network_adress: " in told(house.say("status"))

    def test_a_setting_that_is_wrong_in_the_environment(self, house: House) -> None:
        assert "realism: " in told(house.say("status", PENSTOCK_REALISM="surreal"))


def test_a_java_that_goes_bad_is_a_cause_and_not_a_traceback(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_home(load(home=house.home, network_registry=house.root / "networks"))
    try:

        def broken(version: str) -> None:
            raise JavaError("there is no Java")

        monkeypatch.setattr(app.runtimes, "prepare", broken)
        monkeypatch.setattr(app.runtimes, "_is_here", lambda version: True)
        _, plan = app.reconciler.decide(desired(), ClusterStatus(), None, app.clock(), woken=True)
    finally:
        app.close()
    assert plan.stuck is not None
    assert "there is no Java" in plan.stuck
