"""The documents are true: what the README says exists, and what exists the README says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from botocore import xform_name

from penstock.api.registry import OPERATIONS
from penstock.cli import main
from penstock.settings import Settings
from penstock.telemetry.metrics import Metrics

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
COMMANDS = main.list_commands(click.Context(main))
SHELL = "\n".join(re.findall(r"^```sh[^\n]*\n(.*?)^```", README, re.MULTILINE | re.DOTALL))
"""What the README asks users to type."""


def section(title: str) -> str:
    """The text of one section of the README."""
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(title: str) -> dict[str, str]:
    """The table of a section: each name in the first cell -> its whole row."""
    lines = [line for line in section(title).splitlines() if line.startswith("| `")]
    return {name: line for line in lines for name in re.findall(r"`([^`]+)`", line.split("|")[1])}


def command(name: str) -> click.Command:
    found = main.get_command(click.Context(main), name)
    assert found is not None
    return found


def help_of(name: str) -> str:
    with click.Context(command(name), info_name=f"penstock {name}") as context:
        return command(name).get_help(context)


def options(name: str) -> set[str]:
    """Of a command, and of the commands below it."""
    found = command(name)
    parameters = [*found.params, *(each for sub in getattr(found, "commands", {}).values() for each in sub.params)]
    return {option for each in parameters for option in (*each.opts, *each.secondary_opts)}


def test_every_setting_is_in_the_readme_and_no_other():
    assert set(rows("Settings")) == set(Settings.model_fields)


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_the_readme_says_a_settings_real_default(name):
    field = Settings.model_fields[name]
    default = field.get_default()
    if field.default_factory or default is None:  # of the machine, or of another place: told in words
        assert rows("Settings")[name].split("|")[2].strip()
        return
    cell = rows("Settings")[name].split("|")[2].strip()
    shown = {True: "true", False: "false"}[default] if isinstance(default, bool) else format(default)
    assert cell == f"`{shown.removesuffix('.0')}`"


def test_every_metric_is_in_the_readme_and_no_other():
    shown = re.findall(r"^# TYPE (\S+) ", Metrics(lambda: []).text().decode(), re.MULTILINE)
    own = {name for name in shown if name.startswith("penstock_") and not name.endswith("_created")}
    told = rows("Metrics")
    assert {name for name in told if name.startswith("penstock_")} == own
    others = {name for name in shown if not name.startswith("penstock_")}
    unmentioned = {name for name in others if not any(name.startswith(told_name.rstrip("…")) for told_name in told)}
    assert unmentioned == set()


def test_every_command_is_in_the_readme_and_no_other():
    assert {usage.split()[1] for usage in rows("Commands")} == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_has_an_example_that_is_about_it(name):
    text = " ".join(help_of(name).split())
    assert f"penstock {name}" in text.partition("Example: ")[2], f"penstock {name} --help has no example of it"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_names_the_options_that_a_command_has_and_no_other(name):
    row = next(line for usage, line in rows("Commands").items() if usage.split()[1] == name)
    named = set(re.findall(r"--[a-z][a-z0-9-]+", row))
    assert named <= options(name)
    shown = [each for each in command(name).params if isinstance(each, click.Option) and not each.hidden]
    untold = [each.opts for each in shown if not named & {*each.opts, *each.secondary_opts}]
    assert untold in ([], [["--json"]]), "that one is said once of all commands that print data"
    # and the arguments in the usage are as many as the command takes
    usage = next(usage for usage in rows("Commands") if usage.split()[1] == name)
    taken = [parameter for parameter in command(name).params if isinstance(parameter, click.Argument)]
    assert len(re.findall(r"[A-Z]{2,}", usage)) == len(taken)


def test_every_make_target_is_in_the_readme_and_no_other():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert set(rows("Make targets")) == {
        f"make {target}" for target in re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE)
    }


def test_what_the_readme_lets_users_type_exists():
    for name, rest in re.findall(r"\bpenstock ([a-z]+)([^\n|)\"]*)", SHELL):
        assert name in COMMANDS
        assert set(re.findall(r"--[a-z][a-z0-9-]+", rest)) <= options(name)
    built = {xform_name(operation, "-") for service, operation in OPERATIONS if service == "kafka"}
    asked = set(re.findall(r"\baws kafka ([a-z0-9-]+)", SHELL))
    assert asked, "the walk uses the AWS CLI"
    assert asked <= built
    assert set(re.findall(r"^make ([a-z]+)", SHELL, re.MULTILINE)) == {"demo", "test", "install"}


def test_the_benchmark_has_its_place():
    assert README.count("<!-- bench:begin -->") == 1
    assert README.count("<!-- bench:end -->") == 1
    assert "<!-- bench:end -->" in README.partition("<!-- bench:begin -->")[2]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        found = document if not path else document.parent / path
        assert found.exists(), f"{target} leads nowhere"
        if anchor:
            titles = re.findall(r"^#+ (.+)$", found.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_a_document_names_exist(document):
    named = re.findall(
        r"`((?:penstock|tests|docs|benchmarks|broker-plugin)/[\w./-]*)`", document.read_text(encoding="utf-8")
    )
    # What `make bench` writes is not there before its first run.
    missing = [path for path in named if not (ROOT / path).exists() and path != "benchmarks/latest.json"]
    assert missing == []


def test_decisions_are_numbered_and_listed():
    assert [path.name[:4] for path in DECISIONS] == [f"{number:04}" for number in range(1, len(DECISIONS) + 1)]
    index = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^- \[(\d{4})\]\((\S+)\) (.+)$", index, re.MULTILINE)
    titles = [path.read_text(encoding="utf-8").splitlines()[0] for path in DECISIONS]
    assert [f"# {number} {title}" for number, _, title in listed] == titles


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.name[:4])
def test_a_decision_says_why_what_and_what_follows(decision):
    text = decision.read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert text.splitlines()[2].startswith("Status: ")


def test_the_service_of_systemd_leaves_brokers_alone():
    unit = (ROOT / "docs" / "systemd" / "penstock.service").read_text(encoding="utf-8")
    assert "KillMode=process" in unit.splitlines()
    started = re.search(r"^ExecStart=\S+/penstock --home \S+ ([a-z]+)", unit, re.MULTILINE)
    assert started is not None
    assert started[1] == "up"


KNOWN_HOSTS = re.compile(
    r"""[^.]+ | 127\.0\.0\.1 | .*\.(?:test|invalid|example|example\.(?:org|com)) | .*\.?amazonaws\.com
    | www\.apache\.org | aws\.amazon\.com""",
    re.VERBOSE,
)
"""Names without a dot, names that are nobody's, and a few that readers may visit. Where packages come from is the word of
a library or of the user, never ours: the host of a registry has no place in any file."""
MACHINES = [str(ROOT)] + ([sys.prefix] if sys.prefix != sys.base_prefix else [])
"""Where this checkout and its virtual environment happen to lie."""


def committed() -> list[Path]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def texts() -> Iterator[tuple[str, str]]:
    """Every file that is committed, or would be: its name and what it says."""
    for path in committed():
        yield str(path.relative_to(ROOT)), path.read_bytes().decode("utf-8", errors="replace")


def test_no_file_sends_anybody_to_a_package_registry():
    strangers = {
        (name, host)
        for name, text in texts()
        for host in re.findall(r"https?://([A-Za-z0-9.-]+)", text)
        if not KNOWN_HOSTS.fullmatch(host.rstrip("."))
    }
    options = [
        name for name, text in texts() if re.search(r"^--(?:extra-)?index-url|^--find-links", text, re.MULTILINE)
    ]
    assert (strangers, options) == (set(), [])


def test_no_file_names_a_path_of_the_machine_that_it_was_written_on():
    here = re.compile("|".join(rf"(?<![\w.@>-]){re.escape(place)}(?![\w-])" for place in MACHINES))
    # The unit has to name some place, and a checkout may well lie there.
    places = [(name, text) for name, text in texts() if not name.endswith(".service")]
    assert [(name, match[0]) for name, text in places for match in here.finditer(text)] == []
