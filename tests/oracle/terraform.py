"""Stock Terraform with the AWS provider, as a user has them who has never heard of Penstock: pointed at it by `penstock env` alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field
from oracle.plane import Plane, ran

PATIENCE = 240
PROVIDER = "*/hashicorp/aws"
MIRRORS = (
    "/opt/tf-plugins",
    "/usr/local/share/terraform/plugins",
    "~/.terraform.d/plugins",
    "~/.terraform.d/plugin-cache",
    "~/.local/share/terraform/plugins",
)
"""Where providers lie on machines that have them at hand."""


def mirror() -> Path | None:
    """A folder that has the AWS provider; None where Terraform or the provider is not on this machine."""
    if shutil.which("terraform") is None:
        return None
    folders = (*filter(None, (os.environ.get("TF_PLUGIN_CACHE_DIR"),)), *MIRRORS)
    return next((path for name in folders if any((path := Path(name).expanduser()).glob(f"{PROVIDER}/*"))), None)


@define
class Terraform:
    """A working folder with its state. `variables` are what the next command sees; one set for all that follow.

    Whatever is not this machine is cut off: providers come from the mirror, and any other call ends at a proxy that is not there."""

    plane: Plane
    folder: Path
    mirror: Path
    variables: dict[str, Any] = field(factory=dict)

    def begin(self, *configuration: Path) -> Terraform:
        """Lay these files into the folder and fetch the provider from the mirror."""
        self.folder.mkdir()
        for file in configuration:
            shutil.copy(file, self.folder)
        settings = f'disable_checkpoint = true\nprovider_installation {{\n  filesystem_mirror {{ path = "{self.mirror}" }}\n}}\n'
        (self.folder / "terraformrc").write_text(settings)
        self.run("init")
        return self

    def apply(self, **variables: Any) -> Mapping[str, int]:
        """Apply with these variables changed; what was added, changed, removed and imported."""
        self.variables |= variables
        done = self.run("apply", "-auto-approve", "-json", check=False)
        assert done.returncode == 0, complaints(done.stdout) or done.stderr
        return next(line["changes"] for line in reversed(said(done.stdout)) if line["type"] == "change_summary")

    def refused(self) -> str:
        """Apply what cannot work; what Terraform says about it."""
        done = self.run("apply", "-auto-approve", "-json", check=False)
        assert done.returncode == 1, done.stdout
        return complaints(done.stdout)

    def difference(self) -> Sequence[str]:
        """What a plan would change, after a look at what is there: attributes by name; empty where nothing."""
        done = self.run("plan", "-detailed-exitcode", check=False)
        assert done.returncode in (0, 2), done.stderr
        lines = (line.strip() for line in done.stdout.splitlines())
        return (
            [line for line in lines if line[:2] in ("~ ", "+ ", "- ") or "replaced" in line] if done.returncode else []
        )

    def plan(self) -> Mapping[str, int]:
        """What a plan would add, change, remove and import."""
        done = self.run("plan", "-json")
        return next(line["changes"] for line in reversed(said(done.stdout)) if line["type"] == "change_summary")

    def outputs(self) -> Mapping[str, Any]:
        return {name: each["value"] for name, each in json.loads(self.run("output", "-json").stdout).items()}

    def destroy(self) -> int:
        """Destroy all; how many resources there were."""
        done = self.run("destroy", "-auto-approve", "-json", check=False)
        assert done.returncode == 0, complaints(done.stdout) or done.stderr
        (changes,) = (line["changes"] for line in said(done.stdout)[-3:] if line["type"] == "change_summary")
        return int(changes["remove"])

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        network = self.plane.environment
        given = {
            "subnets": network["PENSTOCK_SUBNETS"].split(","),
            "security_groups": network["PENSTOCK_SECURITY_GROUPS"].split(","),
            **self.variables,
        }
        (self.folder / "terraform.tfvars.json").write_text(json.dumps(given))
        own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
        nowhere = {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
        told = {"TF_CLI_CONFIG_FILE": str(self.folder / "terraformrc"), "TF_IN_AUTOMATION": "1"}
        environment = {**own, **network, **nowhere, **told}
        done = ran(["terraform", *arguments, "-no-color"], environment, PATIENCE, self.folder)
        assert not check or done.returncode == 0, f"terraform {' '.join(arguments)}: {done.stderr}{done.stdout}"
        return done


def said(output: str) -> Sequence[Mapping[str, Any]]:
    """The lines of a command with `-json`."""
    return [json.loads(line) for line in output.splitlines()]


def complaints(output: str) -> str:
    """The errors among them."""
    errors = [line["diagnostic"] for line in said(output) if line.get("@level") == "error" and "diagnostic" in line]
    return "\n".join(f"{error['summary']} {error.get('detail', '')}" for error in errors)
