"""The command line as its users meet it: what it prints, how it ends, and what it says when it cannot."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path
from urllib.request import urlopen

import botocore.session
import pytest
from click.testing import CliRunner

from penstock.app import open_home
from penstock.cli import Commands, main
from penstock.model.spec import ClusterStatus
from penstock.settings import load
from penstock.store.homelock import HomeLock
from tests.cli.house import House, told
from tests.fakes.views import desired

OF_A_CLUSTER = (["explain"], ["plan"], ["events"], ["client"], ["status"])


@pytest.mark.parametrize("command", Commands.table)
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    shown = CliRunner().invoke(main, [command, "--help"])
    assert shown.exit_code == 0
    assert "Example: penstock" in shown.stdout or 'Example: eval "$(penstock' in shown.stdout


def test_the_list_of_commands_loads_them_all() -> None:
    shown = CliRunner().invoke(main, ["--help"])
    assert shown.exit_code == 0
    assert all(f"\n  {command} " in shown.stdout for command in Commands.table)


@pytest.mark.parametrize(
    "wrong", [["nothing"], ["env", "--format", "xml"], ["explain"], ["up", "--tls-cert", __file__]]
)
def test_wrong_usage_ends_with_2(house: House, wrong: list[str]) -> None:
    result = house.say(*wrong)
    assert result.exit_code == 2
    assert "Usage: " in result.stderr
    assert not house.home.exists()


@pytest.mark.parametrize(
    "command", [["env"], ["status"], ["ca"], ["down"], ["logs", "orders", "1"], *([*c, "orders"] for c in OF_A_CLUSTER)]
)
def test_where_there_is_no_home_none_is_made_by_looking(house: House, command: list[str]) -> None:
    assert "is no home yet; `penstock up` makes one" in told(house.say(*command))
    assert not house.home.exists()


class TestOneLife:
    def test_up_says_where_it_serves_and_up_again_says_so_too(self, house: House) -> None:
        first = house.run("up", "--detach")
        endpoint = first.stdout.split(" at ")[1].split()[0]
        with urlopen(f"{endpoint}/readyz") as answer:
            assert answer.status == 200
        for again in (["up", "--detach"], ["up"]):
            second = house.run(*again)
            assert (second.returncode, second.stderr) == (0, "")
            assert f"{house.home} is served already at {endpoint}" in second.stdout

        assert house.say("status").stdout == first.stdout.replace(f"Penstock serves {house.home}", "control plane") + (
            "no clusters\n"
        )
        ended = house.run("down")
        assert (ended.returncode, "has ended" in ended.stdout) == (0, True)
        assert house.say("status").stdout == "no control plane runs (`penstock up`)\nno clusters\n"
        assert json.loads(house.say("status", "--json").stdout) == {"control_plane": None, "clusters": []}
        assert "start it with `penstock up --detach`" in told(house.say("env"))

        nobody = house.run("down")
        assert (nobody.returncode, nobody.stdout) == (0, f"no control plane serves {house.home}\n")

    def test_down_does_not_overlook_a_control_plane_that_is_starting(self, house: House) -> None:
        open_home(load(home=house.home, network_registry=house.root / "networks")).close()
        lock = HomeLock(house.home / "lock")
        assert lock.acquire()
        try:
            assert "is just starting" in told(house.say("down", "--purge", "--yes"))
            (plane,) = [
                f
                for f in json.loads(house.say("doctor", "--json").stdout)["findings"]
                if f["subject"] == "control plane"
            ]
            assert (plane["state"], "it is starting, or hangs" in plane["sentence"]) == ("warning", True)
        finally:
            lock.release()
        assert house.home.exists()

    def test_who_is_told_to_end_lets_go_of_everything_first(self, house: House) -> None:
        with house.begin("up") as process:
            assert process.stderr is not None
            assert "Penstock serves" in process.stderr.readline()
            process.terminate()
            assert process.wait(30) == 0, "the signal ended it amid what it was doing"

    def test_purge_asks_and_then_leaves_nothing(self, house: House) -> None:
        house.run("up", "--detach")
        asked = house.run("down", "--purge")
        assert asked.returncode == 1
        assert json.loads(house.say("status", "--json").stdout)["control_plane"] is not None
        assert house.run("down", "--purge", "--yes").returncode == 0
        assert not house.home.exists()

    def test_a_detached_start_that_fails_says_why_and_not_what_an_older_one_said(self, house: House) -> None:
        house.run("up", "--detach", "--listen", "first-failure")
        failed = house.run("up", "--detach", "--listen", "127.0.0.1:99999")
        assert failed.returncode == 1
        assert "cannot listen on 127.0.0.1:99999" in failed.stderr
        assert "first-failure" not in failed.stderr
        assert "Traceback" not in failed.stderr


class TestReaching:
    def test_a_shell_takes_the_variables_as_they_are(self, served: House) -> None:
        said = served.run("env")
        script = f"eval {shlex.quote(said.stdout)}; env"
        environment = subprocess.run(["sh", "-c", script], env={}, capture_output=True, text=True, check=True).stdout
        seen = dict(line.split("=", 1) for line in environment.splitlines())
        promised = json.loads(served.say("env", "--format", "json").stdout)
        assert {name: seen.get(name) for name in promised} == promised
        assert promised["AWS_ENDPOINT_URL_KAFKA"] == promised["AWS_ENDPOINT_URL_STS"] == promised["PENSTOCK_ENDPOINT"]
        assert len(promised["PENSTOCK_SUBNETS"].split(",")) == 3
        assert Path(promised["PENSTOCK_CA"]).read_text() == served.say("ca").stdout
        assert json.loads(served.say("ca", "--json").stdout) == {"pem": served.say("ca").stdout}

    def test_the_profile_is_all_that_an_sdk_needs(
        self, served: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = tmp_path / "config"
        config.write_text(served.say("env", "--format", "profile").stdout)
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        session = botocore.session.Session(profile="penstock")
        for service in ("kafka", "kafkaconnect", "sts"):
            client = session.create_client(service)
            assert client.meta.endpoint_url == json.loads(served.say("env", "--json").stdout)["PENSTOCK_ENDPOINT"]
        caller = session.create_client("sts").get_caller_identity()
        assert caller["Arn"] == f"arn:aws:iam::{caller['Account']}:root"

    @pytest.mark.parametrize("kind", ["java", "librdkafka", "kafka-python"])
    @pytest.mark.parametrize(("auth", "port"), [("plaintext", 9092), ("tls", 9094), (None, 9094)])
    def test_a_client_configuration_in_the_words_of_the_library(
        self, served: House, orders: str, kind: str, auth: str | None, port: int
    ) -> None:
        chosen = ["client", orders, "--for", kind, *(["--auth", auth] if auth else [])]
        text = served.say(*chosen)
        values = json.loads(served.say(*chosen, "--json").stdout)
        assert (text.exit_code, text.stderr) == (0, "")
        if kind == "kafka-python":
            assert json.loads(text.stdout) == values
        else:
            assert dict(line.split("=", 1) for line in text.stdout.splitlines()) == values
        servers = values["bootstrap_servers" if kind == "kafka-python" else "bootstrap.servers"].split(",")
        # One address and the standard port, or one port for each on an address that all share.
        assert len(set(servers)) == 3
        if not servers[0].startswith("127.0.0.1:"):
            assert {server.rpartition(":")[2] for server in servers} == {str(port)}
        names_ca = str(served.home / "ca.pem") in values.values()
        assert names_ca is (auth != "plaintext")

    def test_paths_are_whole_wherever_the_home_was_named_from(
        self, served: House, orders: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(served.root)
        ca = str(served.home / "ca.pem")
        for variables in ({}, {"PENSTOCK_HOME": "home"}):
            chosen = [] if variables else ["--home", "./home"]
            env = served.say(*chosen, "env", "--json", **variables)
            assert json.loads(env.stdout)["PENSTOCK_CA"] == ca
            client = served.say(*chosen, "client", orders, "--auth", "tls", "--json", **variables)
            assert json.loads(client.stdout)["ssl.ca.location"] == ca

    def test_ipv6_is_for_clusters_that_have_it(self, served: House, orders: str) -> None:
        said = told(served.say("client", orders, "--ipv6"))
        assert said.startswith("penstock: orders is not reached over IPv6: its network type is IPV4; change it with")

    @pytest.mark.parametrize("auth", ["mtls", "scram", "iam"])
    def test_what_is_not_built_yet_is_said(self, served: House, orders: str, auth: str) -> None:
        assert "is not built yet" in told(served.say("client", orders, "--auth", auth))


class TestLooking:
    @pytest.mark.parametrize("command", [*OF_A_CLUSTER, ["logs", "1"]])
    def test_an_unknown_cluster_is_told_with_those_that_there_are(
        self, served: House, orders: str, command: list[str]
    ) -> None:
        name, *rest = command
        assert told(served.say(name, "payments", *rest)) == "penstock: there is no cluster payments; there are: orders"

    def test_status_shows_the_cluster_and_its_nodes(self, served: House, orders: str) -> None:
        for arguments in ([], [orders]):
            (cluster,) = json.loads(served.say("status", *arguments, "--json").stdout)["clusters"]
            assert (cluster["name"], cluster["state"], len(cluster["nodes"])) == ("orders", "FAILED", 6)
            assert {node["doing"] for node in cluster["nodes"]} == {"was never started"}
            text = served.say("status", *arguments).stdout
            assert "orders  FAILED" in text
            assert "controller-10003" in text
        assert served.say("status", cluster["arn"]).exit_code == 0

    def test_the_cause_is_in_status_explain_and_events(self, served: House, orders: str) -> None:
        cause = f"names {served.root / 'no-java'}, where there is no bin/java to run"
        assert cause in served.say("status", orders).stdout
        explained = json.loads(served.say("explain", orders, "--json").stdout)
        assert any(cause in sentence for sentence in explained["sentences"])
        assert "\n".join(explained["sentences"]).count("FAILED") >= 1
        assert cause in served.say("events", orders).stdout
        assert any(cause in event["sentence"] for event in json.loads(served.say("events", orders, "--json").stdout))

    def test_plan_says_what_is_waited_for_and_starts_nothing(self, served: House, orders: str) -> None:
        planned = json.loads(served.say("plan", orders, "--json").stdout)
        assert (planned["roll"], planned["actions"]) == (None, [])
        assert "4.3.x.kraft" in planned["waits"][0]
        assert planned["waits"][0] in served.say("plan", orders).stdout
        assert not list((served.home / "volumes").iterdir())

    def test_a_node_that_never_ran_has_an_empty_log(self, served: House, orders: str) -> None:
        for node in ("broker-1", "1", "controller-10001", "10001"):
            assert (served.say("logs", orders, node).stdout, served.say("logs", orders, node).exit_code) == ("", 0)
        assert json.loads(served.say("logs", orders, "2", "--json").stdout) == []
        assert "it has broker-1, broker-2, broker-3, controller-10001" in told(served.say("logs", orders, "broker-4"))

    def test_a_log_is_shown_from_its_end(self, served: House, orders: str) -> None:
        (cluster,) = json.loads(served.say("status", "--json").stdout)["clusters"]
        log = served.home / "nodes" / cluster["arn"].rpartition("/")[2] / "broker-3" / "node.log"
        log.parent.mkdir(parents=True)
        log.write_text("".join(f"line {n}\n" for n in range(1, 11)))
        try:
            assert served.say("logs", orders, "3", "-n", "2").stdout == "line 9\nline 10\n"
            assert json.loads(served.say("logs", orders, "3", "--json", "-n", "1").stdout) == ["line 10"]
        finally:
            log.unlink()
            log.parent.rmdir()
            log.parent.parent.rmdir()

    def test_the_whole_history_is_shown_however_long(self, house: House) -> None:
        app = open_home(load(home=house.home, network_registry=house.root / "networks"))
        try:
            spec = desired(name="orders")
            with app.store.write() as rows:
                rows.clusters.insert(spec, ClusterStatus())
                for n in range(1, 1202):
                    rows.events.append(spec.id, app.clock(), f"sentence {n}")
        finally:
            app.close()
        lines = house.say("events", "orders").stdout.splitlines()
        assert (len(lines), lines[-1][-13:]) == (1201, "sentence 1201")
        assert len(json.loads(house.say("events", "orders", "--json").stdout)) == 1201

    def test_followed_events_are_one_json_object_a_line(self, served: House, orders: str) -> None:
        with served.begin("events", orders, "--follow", "--json") as follower:
            assert follower.stdout is not None
            assert json.loads(follower.stdout.readline())["seq"] == 1
            assert follower.poll() is None
            follower.kill()
