"""Every home has a network of its own; where that cannot be, nodes share an address and the cluster says so."""

from __future__ import annotations

import json
import socket
from ipaddress import ip_network
from pathlib import Path

import pytest
from fakes.worlds import broker

from penstock.compute.base import ComputeError
from penstock.compute.process import addresses as room
from penstock.compute.process import loopback
from penstock.compute.process.addresses import SHARED_PORTS, Addresses, NoNetwork, addresses_of, why_not_here
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


def shared_ports(
    mine: Addresses, *, nodes: int = 3, address: str = "127.0.0.1", written: tuple[Endpoint, ...] = ()
) -> set[int]:
    found = mine.on(address, [(broker(n), n % 3, PORTS) for n in range(1, nodes + 1)], written)
    assert {endpoint.address for endpoint in found.values()} == {address}
    ports = [port for endpoint in found.values() for port in endpoint.ports.values()]
    assert len(set(ports)) == 2 * nodes
    return set(ports)


def test_homes_that_share_an_address_never_meet_on_its_ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where both propose before either listens, and both would begin at the same port."""
    monkeypatch.setattr(room.zlib, "crc32", lambda _: 7)
    ports = {name: shared_ports(home(tmp_path, name)) for name in ("a", "b", "c")}
    assert len(set.union(*ports.values())) == 18
    assert {name: shared_ports(home(tmp_path, name)) for name in ("b", "a", "c")} == ports, "each home keeps its own"


def test_a_home_claims_more_ports_when_a_block_is_full(tmp_path: Path) -> None:
    mine = home(tmp_path, "home")
    many = shared_ports(mine, nodes=60)
    assert {port // 100 for port in many} == {port // 100 for port in shared_ports(mine, nodes=60)}
    claims = {path.name for path in (tmp_path / "networks").iterdir()} - {"lock"}
    assert claims == {f"ports-{port // 100 * 100}" for port in many}
    mine.release()
    assert [path.name for path in (tmp_path / "networks").iterdir()] == ["lock"]


def test_a_port_of_one_address_is_given_on_no_other(tmp_path: Path) -> None:
    """Kafka wants the ports of a node's listeners to differ, whatever their addresses."""
    mine = home(tmp_path, "home")
    before = shared_ports(mine)
    written = (Endpoint("192.0.2.2", {str(port): port for port in before}),)
    assert not before & shared_ports(mine, written=written)


def test_ports_and_a_network_are_held_beside_each_other(tmp_path: Path) -> None:
    mine = home(tmp_path, "home")
    ports, network = shared_ports(mine), mine.network()
    assert (shared_ports(mine), mine.network()) == (ports, network)
    other = home(tmp_path, "other")
    assert other.network() != network
    assert not shared_ports(other) & ports


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1", None),
        ("192.0.2.77", "this machine does not have it"),
        ("0.0.0.0", "cannot be told"),
        ("::", "cannot be told"),
        ("224.0.0.1", "cannot be told"),
        ("fe80::1", "not link-local"),
        ("example.org", "names are not looked up"),
        ("", "no IP address"),
    ],
)
def test_which_addresses_nodes_may_share(address: str, why: str | None) -> None:
    said = why_not_here(address)
    assert said is None if why is None else why in str(said)


V6 = {"CLIENT_IPV6": 20092, "CLIENT_SECURE_IPV6": 20094}
needs_ipv6 = pytest.mark.skipif(loopback.why_none() is not None, reason="this machine has no IPv6 loopback")
needs_root = pytest.mark.skipif(
    loopback.why_not() is not None, reason="giving the loopback device addresses takes root"
)


def ipv6(mine: Addresses, *numbers: int, written: tuple[Endpoint, ...] = ()) -> list[Endpoint]:
    found = mine.propose_ipv6([(broker(n), n % 3, V6) for n in numbers], written)
    return [found[broker(n)] for n in numbers]


@needs_ipv6
def test_who_may_not_give_addresses_shares_the_loopback_over_ipv6(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loopback, "why_not", lambda: "it takes root")
    mine = home(tmp_path, "home")
    first = ipv6(mine, 1, 2)
    second = ipv6(mine, 3, written=tuple(first))
    assert {endpoint.address for endpoint in (*first, *second)} == {"::1"}
    ports = [port for endpoint in (*first, *second) for port in endpoint.ports.values()]
    assert len(set(ports)) == 6
    assert all(port in SHARED_PORTS for port in ports)


@needs_root
def test_a_stranger_on_every_ipv6_address_moves_brokers_to_ports_of_their_own(tmp_path: Path) -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6) as stranger:
        port = stranger.getsockname()[1]
        found = home(tmp_path, "home").propose_ipv6([(broker(1), 0, {"CLIENT_IPV6": port})], [])
    assert found[broker(1)].address == "::1"


@needs_root
def test_brokers_have_addresses_of_the_homes_own_over_ipv6_from_start_to_purge(tmp_path: Path) -> None:
    mine, other = home(tmp_path, "home"), home(tmp_path, "other")
    found = ipv6(mine, 1, 2, 3)
    addresses = [endpoint.address for endpoint in found]
    assert all(endpoint.ports == V6 for endpoint in found)
    assert len({ip_network(f"{address}/64", strict=False) for address in addresses}) == 1
    (fourth,) = ipv6(mine, 4, written=tuple(found))
    assert fourth.address not in addresses
    (theirs,) = ipv6(other, 1)
    assert ip_network(f"{theirs.address}/64", strict=False) != ip_network(f"{addresses[0]}/64", strict=False)
    assert not {*addresses, theirs.address} & set(loopback.present()), "nothing is given before a start"
    try:
        mine.give([*addresses, "127.0.0.1", "::1"])
        mine.give(addresses)
        other.give([theirs.address, addresses[0]])
        assert {*addresses, theirs.address} <= set(loopback.present())
        with socket.create_server((addresses[0], 20094), family=socket.AF_INET6):
            assert ipv6(mine, 1)[0].address != addresses[0], "somebody listens there"
        mine.take([addresses[0], theirs.address])
        mine.take([addresses[0]])
        assert addresses[0] not in loopback.present()
        assert theirs.address in loopback.present(), "another home's is left alone"
    finally:
        mine.release()
        left = set(loopback.present())
        other.release()
    assert not set(addresses) & left
    assert theirs.address in left
    assert theirs.address not in loopback.present()


def test_a_machine_without_ipv6_says_so_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loopback, "why_none", lambda: "it is switched off")
    with pytest.raises(ComputeError, match="it is switched off; run `sysctl"):
        ipv6(home(tmp_path, "home"), 1)
