"""The Kafka versions on offer: a typed reading of `distributions.toml`. Pure: no network, no cache, no clock."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from attrs import frozen


class Mode(StrEnum):
    """Who keeps the metadata."""

    KRAFT = "kraft"
    ZOOKEEPER = "zookeeper"


@frozen
class Distribution:
    """One row of the catalogue: a version as the API names it, and the Kafka that runs for it.

    Invariant: `features` begins with `metadata.version` at level `metadata_version`, and stands in the order in which
    Kafka's StorageTool writes it."""

    version: str
    """MSK's name, `4.3.x.kraft`."""
    kafka: str
    """The patch that runs, `4.3.1`."""
    mode: Mode
    status: str
    """ACTIVE or DEPRECATED, as ListKafkaVersions shows it."""
    released: date
    lock: str
    """Name of the lock file under `locks/`."""
    metadata_version: int
    features: tuple[tuple[str, int], ...]
    upgrades_to: tuple[str, ...]
    """MSK names of the versions that a cluster of this one may go to."""
    java: int
    """The oldest Java feature release that runs it."""


def catalogue() -> Mapping[str, Distribution]:
    """Every version on offer under its MSK name, newest last."""
    return parse(files(__package__).joinpath("distributions.toml").read_text(encoding="utf-8"))


def newest() -> Distribution:
    """The version that a new cluster gets where nobody asked for one."""
    return list(catalogue().values())[-1]


def parse(text: str) -> Mapping[str, Distribution]:
    """The catalogue in the given TOML text. ValueError names the row and what is wrong with it."""
    rows = {version: _row(version, table) for version, table in tomllib.loads(text).items()}
    for row in rows.values():
        unknown = [target for target in row.upgrades_to if target not in rows]
        if unknown:
            raise ValueError(f"{row.version} upgrades to {', '.join(unknown)}, which the catalogue does not have")
    return MappingProxyType(rows)


def _row(version: str, table: Mapping[str, Any]) -> Distribution:
    try:
        row = Distribution(
            version=version,
            kafka=table["kafka"],
            mode=Mode(table["mode"]),
            status=table["status"],
            released=table["released"],
            lock=table["lock"],
            metadata_version=table["metadata_version"],
            features=tuple((name, level) for name, level in table["features"]),
            upgrades_to=tuple(table["upgrades_to"]),
            java=table["java"],
        )
    except KeyError as missing:
        raise ValueError(f"{version} lacks {missing} in the catalogue of Kafka versions") from missing
    if row.mode is Mode.KRAFT and row.features[:1] != (("metadata.version", row.metadata_version),):
        raise ValueError(f"the features of {version} must begin with metadata.version {row.metadata_version}")
    return row
