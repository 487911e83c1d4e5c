"""Subnets without a network behind them: every id has a zone, and keeps it."""

from __future__ import annotations

import re

import pytest

from penstock.store.network import built_in, short_region, zones
from penstock.store.store import Store

ACCOUNT, REGION = "123456789012", "us-east-1"


@pytest.mark.parametrize(
    ("region", "short"),
    [
        ("us-east-1", "use1"),
        ("eu-south-1", "eus1"),
        ("ap-southeast-2", "apse2"),
        ("ap-northeast-1", "apne1"),
        ("ca-central-1", "cac1"),
        ("us-gov-west-1", "usgw1"),
        ("cn-north-1", "cnn1"),
        ("il-central-1", "ilc1"),
        ("home", "home"),
        ("--", "local"),
    ],
)
def test_zones_are_named_as_msk_names_them(region: str, short: str) -> None:
    assert short_region(region) == short
    assert zones(region) == (f"{short}-az1", f"{short}-az2", f"{short}-az3")


def test_the_built_in_network_is_the_same_each_time_and_of_one_account_and_region_alone(store: Store) -> None:
    network = built_in(ACCOUNT, REGION)
    with store.read() as tx:
        assert tx.subnets.built_in(ACCOUNT, REGION) == network
    assert [subnet.zone for subnet in network.subnets] == ["use1-az1", "use1-az2", "use1-az3"]
    assert all(re.fullmatch(r"subnet-[0-9a-f]{17}", subnet.id) for subnet in network.subnets)
    assert re.fullmatch(r"sg-[0-9a-f]{17}", network.security_group)
    assert re.fullmatch(r"vpc-[0-9a-f]{17}", network.vpc)
    ids = {
        s.id
        for pair in ((ACCOUNT, REGION), (ACCOUNT, "eu-west-1"), ("2" * 12, REGION))
        for s in built_in(*pair).subnets
    }
    assert len(ids) == 9


def test_three_unknown_subnets_are_three_zones_and_keep_them(store: Store) -> None:
    ids = ["subnet-c", "subnet-a", "subnet-b"]
    with store.write() as tx:
        first = tx.subnets.zone_of(ACCOUNT, REGION, ids)
    assert list(first.items()) == [("subnet-c", "use1-az1"), ("subnet-a", "use1-az2"), ("subnet-b", "use1-az3")]
    with store.read() as tx:
        assert tx.subnets.zone_of(ACCOUNT, REGION, ids[::-1]) == first


def test_unknown_subnets_take_what_the_known_ones_leave_free(store: Store) -> None:
    second = built_in(ACCOUNT, REGION).subnets[1].id
    with store.write() as tx:
        assert list(tx.subnets.zone_of(ACCOUNT, REGION, ["subnet-x", second, "subnet-y"]).values()) == [
            "use1-az1", "use1-az2", "use1-az3",
        ]  # fmt: skip
        assert tx.subnets.zone_of(ACCOUNT, REGION, ["subnet-y", "subnet-z", "subnet-w"]) == {
            "subnet-y": "use1-az3", "subnet-z": "use1-az1", "subnet-w": "use1-az2",
        }  # fmt: skip


def test_more_subnets_than_zones_go_round(store: Store) -> None:
    with store.write() as tx:
        zones_given = tx.subnets.zone_of(ACCOUNT, REGION, [f"subnet-{n}" for n in range(5)]).values()
    assert [zone[-1] for zone in zones_given] == ["1", "2", "3", "1", "2"]


def test_the_same_id_in_another_region_is_another_subnet(store: Store) -> None:
    with store.write() as tx:
        tx.subnets.zone_of(ACCOUNT, REGION, ["subnet-a"])
        assert tx.subnets.zone_of(ACCOUNT, "eu-west-1", ["subnet-b", "subnet-a"])["subnet-a"] == "euw1-az2"
