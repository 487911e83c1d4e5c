"""The map shows the house as it stands: every path exists, every folder, rule, step and long file is on it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from penstock.control.cluster.rules import RULES
from penstock.wire.gateway import LIFE

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "penstock"
MAP = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
NAMES = set(re.findall(r"`([^`\s]+)`", MAP))
PATHS = sorted(name for name in NAMES if re.fullmatch(r"[\w.-]+(/[\w.-]*)*", name) and ("/" in name or "." in name))
FILES = {".py", ".toml", ".md", ".java", ".json", ".lock"}
LONG = 300


def is_path(name: str) -> bool:
    return "/" in name or Path(name).suffix in FILES


def on_disk(name: str) -> bool:
    return any((base / name).exists() for base in (ROOT, PACKAGE))


def test_every_path_on_the_map_exists():
    paths = [name for name in PATHS if is_path(name) and name not in ("msk.md", "kafka.md")]
    assert len(paths) > 50, "the map names its places in backquotes"
    assert [name for name in paths if not on_disk(name)] == []


def test_every_folder_of_code_is_on_the_map():
    folders = {path.parent for path in PACKAGE.rglob("*.py")} - {PACKAGE}
    places = {path for name in NAMES if is_path(name) for path in (PACKAGE / name, *(PACKAGE / name).parents)}
    assert sorted(str(folder.relative_to(ROOT)) for folder in folders - places) == []


def test_a_long_file_has_a_reason():
    reasons = MAP.split("## Files over 300 lines")[1]
    long = [path for path in PACKAGE.rglob("*.py") if len(path.read_text(encoding="utf-8").splitlines()) > LONG]
    missing = [str(path.relative_to(PACKAGE)) for path in long if f"`{path.relative_to(PACKAGE)}`" not in reasons]
    assert missing == [], "say in docs/ARCHITECTURE.md why, or make them shorter"


def test_the_rules_are_on_the_map_in_their_order():
    table = MAP.split("The rules, in their order:")[1].split("\n\n")[1]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == [rule.__name__ for rule in RULES]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_rule_is_a_file_of_its_name(rule):
    assert rule.__module__ == f"penstock.control.cluster.rules.{rule.__name__}"


def test_the_life_of_a_request_is_told_step_by_step():
    told = MAP.split("## The life of a request")[1].split("\n## ")[0]
    assert re.findall(r"^\d+\. `(\w+)`:", told, re.MULTILINE) == [step.__name__ for step in LIFE]


def test_the_floors_on_the_map_are_those_that_lint_holds():
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["name"] == "floors")
    held = [{room.strip().removeprefix("penstock.") for room in layer.split("|")} for layer in layers]
    drawn = MAP.split("```text\n")[1].split("```")[0].splitlines()
    assert [set(re.split(r"\s{2,}", line)[0].split(" | ")) for line in drawn] == held
