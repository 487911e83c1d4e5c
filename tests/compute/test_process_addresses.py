"""Every home has a network of its own; where that cannot be, nodes share an address and the cluster says so."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from fakes.worlds import broker

from penstock.compute.base import ComputeError
from penstock.compute.process import addresses as room
from penstock.compute.process.addresses import SHARED_PORTS, Addresses, NoNetwork, addresses_of
from penstock.model.spec import Endpoint

PORTS = {"CLIENT": 9092, "CLIENT_SECURE": 9094}


def home(root: Path, name: str) -> Addresses:
    (root / name).mkdir(exist_ok=True)
    return Addresses(root / name, root / "networks")


def test_nodes_have_standard_ports_and_a_zone_is_a_quarter_of_the_network(tmp_path: Path) -> None:
    mine = home(tmp_path, "home")
    found = mine.propose([(broker(n), (n - 1) % 3, PORTS) for n in range(1, 7)], [])
    assert all(endpoint.ports == PORTS for endpoint in found.values())
    assert len({endpoint.address for endpoint in found.values()}) == 6
    quarters = [int(found[broker(n)].address.split(".")[2]) // 64 for n in range(1, 7)]
    assert quarters == [0, 1, 2, 0, 1, 2]
    assert mine.notes == ()


def test_an_address_that_is_written_down_is_never_given_again(tmp_path: Path) -> None:
    mine = home(tmp_path, "home")
    first = mine.propose([(broker(1), 0, PORTS)], [])[broker(1)]
    second = mine.propose([(broker(2), 0, PORTS)], [first])[broker(2)]
    assert first.address != second.address


def test_an_address_on_which_a_stranger_listens_is_passed_over(tmp_path: Path) -> None:
    mine = home(tmp_path, "home")
    first = mine.propose([(broker(1), 0, PORTS)], [])[broker(1)]
    with socket.create_server((first.address, 9094)):
        again = mine.propose([(broker(1), 0, PORTS)], [])[broker(1)]
    assert again.address != first.address
    assert again.ports == PORTS


def test_no_address_looks_like_a_network_or_a_broadcast() -> None:
    every = [address for zone in range(4) for address in addresses_of("127.64", zone)]
    assert len(every) == len(set(every)) > 65000
    assert not [address for address in every if address.endswith((".0", ".255"))]


def test_homes_never_meet_and_keep_their_networks(tmp_path: Path) -> None:
    networks = {name: home(tmp_path, name).network() for name in ("a", "b", "c")}
    assert len(set(networks.values())) == 3
    assert {name: home(tmp_path, name).network() for name in ("a", "b", "c")} == networks


def test_the_network_of_a_home_that_is_gone_is_taken_over(tmp_path: Path) -> None:
    gone = home(tmp_path, "gone")
    network = gone.network()
    for path in gone.home.iterdir():
        path.unlink()
    assert home(tmp_path, "new").network() == network


def test_a_home_whose_claim_was_taken_over_gets_another_network(tmp_path: Path) -> None:
    mine = home(tmp_path, "home")
    network = mine.network()
    other = home(tmp_path, "other")
    (tmp_path / "networks" / network).unlink()  # somebody cleaned /var/tmp
    (other.home / "network.json").write_text(json.dumps({"network": f"{network}.0.0/16"}))
    assert other.network() == network
    assert mine.network() != network


def test_a_cleaned_registry_gives_every_home_its_old_network(tmp_path: Path) -> None:
    networks = {name: home(tmp_path, name).network() for name in ("a", "b")}
    for path in (tmp_path / "networks").iterdir():
        path.unlink()
    assert {name: home(tmp_path, name).network() for name in ("b", "a")} == networks


def test_a_copied_home_does_not_share_the_network_of_the_original(tmp_path: Path) -> None:
    original = home(tmp_path, "original")
    network = original.network()
    copy = home(tmp_path, "copy")
    (copy.home / "network.json").write_bytes((original.home / "network.json").read_bytes())
    assert copy.network() != network
    assert original.network() == network


def test_when_all_networks_are_claimed_nodes_share_an_address_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "NETWORKS", ("127.64",))
    home(tmp_path, "first").network()
    late = home(tmp_path, "late")
    with pytest.raises(NoNetwork, match="delete claims of unused homes"):
        late.network()
    assert late.propose([(broker(1), 0, PORTS)], [])[broker(1)].address == "127.0.0.1"
    assert "claimed by homes" in late.notes[0]


def test_a_stranger_on_the_wildcard_address_moves_nodes_to_ports_of_their_own(tmp_path: Path) -> None:
    mine = home(tmp_path, "home")
    with socket.create_server(("0.0.0.0", 0)) as stranger:
        port = stranger.getsockname()[1]
        found = mine.propose([(broker(n), n % 3, {"CLIENT": port, "CLIENT_SECURE": 9094}) for n in (1, 2, 3)], [])
    assert {endpoint.address for endpoint in found.values()} == {"127.0.0.1"}
    chosen = [port for endpoint in found.values() for port in endpoint.ports.values()]
    assert len(set(chosen)) == 6
    assert all(port in SHARED_PORTS for port in chosen)
    assert f"listens on port {port} of every address" in mine.notes[0]
    assert mine.propose([(broker(1), 0, PORTS)], [])[broker(1)].ports == PORTS, "later clusters are not held to it"
    assert mine.notes == ()


def test_a_system_without_aliases_shares_one_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Addresses, "own", lambda _: False)
    mine = home(tmp_path, "home")
    first = mine.propose([(broker(1), 0, PORTS)], [])
    second = mine.propose([(broker(2), 1, PORTS)], first.values())
    assert not set(first[broker(1)].ports.values()) & set(second[broker(2)].ports.values())
    assert "no loopback addresses" in mine.notes[0]


def test_a_port_that_somebody_has_is_not_proposed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Addresses, "own", lambda _: False)
    mine = home(tmp_path, "home")
    port = mine.propose([(broker(1), 0, {"CLIENT": 9092})], [])[broker(1)].ports["CLIENT"]
    with socket.create_server(("127.0.0.1", port)):
        assert mine.propose([(broker(1), 0, {"CLIENT": 9092})], [])[broker(1)].ports["CLIENT"] != port


def test_when_every_port_is_written_down_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Addresses, "own", lambda _: False)
    full = [Endpoint("127.0.0.1", {str(port): port for port in SHARED_PORTS})]
    with pytest.raises(ComputeError, match="no port from 21000 to 31999"):
        home(tmp_path, "home").propose([(broker(1), 0, PORTS)], full)


def test_a_registry_that_somebody_made_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "networks").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ComputeError, match="symbolic link"):
        home(tmp_path, "home").network()


def test_a_home_that_goes_gives_its_network_back_and_no_other(tmp_path: Path) -> None:
    mine, other = home(tmp_path, "home"), home(tmp_path, "other")
    networks = {mine.network(), other.network()}
    assert len(networks) == 2
    mine.release()
    left = {path.name for path in (tmp_path / "networks").iterdir()} - {"lock"}
    assert left == {other.network()}
    mine.release()
    home(tmp_path, "never").release()
