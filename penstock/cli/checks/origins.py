"""The settings in force, and where each came from."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path

from attrs import frozen

from penstock.kafka.maven import public
from penstock.settings import Settings, flat

PREFIX = "PENSTOCK_"
URLS = ("maven_mirror", "store_url")
"""Settings that may carry a user and a password, which are not shown."""


@frozen
class Origin:
    """One setting. `value` is fit for showing; `source` is `flag`, `variable NAME`, a path, or `default`."""

    name: str
    value: str | int | float | bool | None
    source: str


def in_force(settings: Settings, flags: Collection[str], environment: Mapping[str, str]) -> tuple[Origin, ...]:
    """Every setting, in the order of settings.py, whose rule it follows: flags over variables over the file."""
    variables = {name.upper(): name for name in environment}
    file = settings.home / "penstock.toml"
    written = flat(tomllib.loads(file.read_text())) if file.is_file() else {}

    def source(name: str) -> str:
        if name in flags:
            return "flag"
        if (variable := variables.get(f"{PREFIX}{name.upper()}")) is not None:
            return f"variable {variable}"
        return str(file) if name in written else "default"

    return tuple(
        Origin(name, _shown(name, getattr(settings, name)), source(name)) for name in type(settings).model_fields
    )


def _shown(name: str, value: object) -> str | int | float | bool | None:
    if name in URLS and isinstance(value, str):
        return public(value)
    if isinstance(value, Path):
        return str(value.absolute())  # what a control plane says is read in other working directories, too
    return value if value is None or isinstance(value, bool | int | float) else str(value)
