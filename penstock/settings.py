"""One typed Settings from file, environment and flags; the later wins. `doctor` prints what is in force and from where.

`penstock.toml` lies in the home, and may group settings in tables (`flat`); variables are `PENSTOCK_` and the setting's name."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from penstock.model.volume import VolumeKind


class Realism(StrEnum):
    """How strictly MSK's own limits are kept."""

    LOCAL = "local"
    MSK = "msk"


class VolumeChoice(StrEnum):
    """What new volumes are."""

    DIRECTORY = "directory"
    FILESYSTEM = "filesystem"
    AUTO = "auto"
    """A filesystem where the machine can, else a directory."""


def default_home() -> Path:
    """The platform's data folder: of the machine for root (whose own folders no other user may enter), else the user's."""
    if os.geteuid() == 0:
        return Path("/var/lib/penstock")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "penstock"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "penstock"


def default_cache() -> Path:
    """The platform's cache folder: of the machine for root, else the user's."""
    if os.geteuid() == 0:
        return Path("/var/cache/penstock")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "penstock"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penstock"


class Settings(BaseSettings):
    """Everything that a user may set. Frozen after the start."""

    model_config = SettingsConfigDict(env_prefix="PENSTOCK_", frozen=True, extra="forbid")

    home: Path = Field(default_factory=default_home, description="where this home's state lives")
    cache: Path = Field(
        default_factory=default_cache, description="downloads and start-up archives, shared by all clones"
    )
    listen: str = Field("127.0.0.1:9480", description="address and port of the API; port 0 picks a free one")
    region: str = Field("us-east-1", description="the region that `penstock env` names")
    realism: Realism = Field(Realism.LOCAL, description="`local`, or `msk` for MSK's own limits and refusals")
    insecure_no_auth: bool = Field(False, description="accept unsigned requests and dummy keys; loopback only")
    tls: bool = Field(False, description="serve the API over TLS with a certificate of this home's CA")
    tls_cert: Path | None = Field(None, description="PEM of the API's own certificate chain")
    tls_key: Path | None = Field(None, description="PEM of its key")
    java_home: Path | None = Field(None, description="a Java 17 or newer to use in place of the one that pip installed")
    maven_mirror: str | None = Field(
        None,
        description="where to fetch Kafka's jars; default: the mirror in Maven's settings.xml, else the resolver library's repository",
    )
    store_url: str | None = Field(None, description="SQLAlchemy URL of the store; default: SQLite in the home")
    run_as: str | None = Field(
        None, description="the user that nodes run as when the control plane is root; default `nobody`"
    )
    volumes: VolumeChoice = Field(
        VolumeChoice.DIRECTORY,
        description="what new volumes are: `directory`, `filesystem` (of its size, needs root), or `auto`: where the machine can",
    )
    network_registry: Path = Field(
        Path("/var/tmp/penstock-networks"),  # noqa: S108 - shared by all users of the machine on purpose
        description="where homes of this machine claim their /16 of loopback addresses",
    )
    network_address: str | None = Field(
        None,
        description="an IP address of this machine on which all brokers listen for clients, with ports of their own, for clients "
        "in containers or on other machines",
    )
    broker_heap_mib: int = Field(512, ge=256, description="largest Java heap of a broker")
    controller_heap_mib: int = Field(256, ge=64, description="largest Java heap of a controller")
    archives: bool = Field(True, description="make and use start-up archives")
    create_patience_seconds: float = Field(60.0, gt=0, description="a create without progress for so long is FAILED")
    operation_patience_seconds: float = Field(
        600.0,
        gt=0,
        description="an operation without progress for so long is given up: it goes back, or waits and says why",
    )
    rebalance_after_scale: bool = Field(
        True, description="move partitions to brokers that joined; MSK leaves that to you"
    )
    quarantine_days: int = Field(
        7,
        ge=0,
        le=36_500,
        description="days after which the volumes of brokers that left a cluster, empty, are removed; 0: never by itself",
    )
    client_leaf_days: int = Field(397, ge=1, description="life of certificates on client listeners")

    @field_validator("home", "cache")
    @classmethod
    def _absolute(cls, folder: Path) -> Path:
        """What is printed and written down of it is read in other working directories, too."""
        return folder.absolute()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is the library's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        home = init_settings().get("home") or os.environ.get("PENSTOCK_HOME") or default_home()
        written = flat(TomlConfigSettingsSource(settings_cls, Path(home) / "penstock.toml").toml_data)
        file = InitSettingsSource(settings_cls, written)
        if "home" in written:
            raise ValueError(
                f"home: {home}/penstock.toml cannot name the home that it lies in; use --home or PENSTOCK_HOME"
            )
        return init_settings, env_settings, file

    @property
    def volume_kind(self) -> VolumeKind | None:
        """What new volumes are; None: filesystems where the machine can, else directories."""
        return None if self.volumes is VolumeChoice.AUTO else VolumeKind(self.volumes.value)

    @property
    def keep_quarantined(self) -> timedelta | None:
        """For how long the volumes of retired brokers are kept; None: until a person removes them."""
        return timedelta(days=self.quarantine_days) if self.quarantine_days else None

    @property
    def database(self) -> str:
        return self.store_url or f"sqlite:///{self.home / 'store.sqlite3'}"


def flat(written: Mapping[str, Any]) -> dict[str, Any]:
    """What penstock.toml says, by the names of settings: `address` in the table `[network]` is `network_address`."""
    found: dict[str, Any] = {}
    for name, value in written.items():
        found |= (
            {f"{name}_{inner}": each for inner, each in value.items()} if isinstance(value, Mapping) else {name: value}
        )
    return found


def load(**flags: Any) -> Settings:
    """Settings with the given flags on top; None means that the flag was not given."""
    return Settings(**{name: value for name, value in flags.items() if value is not None})
