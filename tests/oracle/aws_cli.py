"""The stock AWS CLI, `aws kafka …`, pointed at a plane by `penstock env` alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from attrs import define, field
from oracle.plane import Plane, ran, until

PATIENCE = 60


def on_this_machine() -> bool:
    return shutil.which("aws") is not None


@define
class Aws:
    """Calls by name: `aws("describe-cluster", cluster_arn=…)` is `aws kafka describe-cluster --cluster-arn …`.

    Lists and objects go as JSON, as people write them; the answer is what the CLI prints. No profile of the machine is read."""

    plane: Plane
    _environment: Mapping[str, str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
        nothing = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        self._environment = own | dict(self.plane.environment) | nothing | {"AWS_MAX_ATTEMPTS": "1", "AWS_PAGER": ""}

    def __call__(self, call: str, **members: Any) -> dict[str, Any]:
        done = self._run(call, members)
        assert done.returncode == 0, f"aws kafka {call}: {done.stderr}"
        return dict(json.loads(done.stdout)) if done.stdout.strip() else {}

    def refused(self, call: str, **members: Any) -> str:
        """What the CLI says about an error of the service."""
        done = self._run(call, members)
        assert done.returncode not in (0, 2), f"aws kafka {call}: {done.stdout}{done.stderr}"
        return done.stderr.strip()

    def update(self, call: str, cluster: str, **members: Any) -> dict[str, Any]:
        """An update as scripts make it: read the version, call, poll the operation to its end; the operation."""
        version = self("describe-cluster", cluster_arn=cluster)["ClusterInfo"]["CurrentVersion"]
        return self.end(self(call, cluster_arn=cluster, current_version=version, **members)["ClusterOperationArn"])

    def end(self, operation: str) -> dict[str, Any]:
        def look() -> dict[str, Any]:
            info = self("describe-cluster-operation", cluster_operation_arn=operation)["ClusterOperationInfo"]
            return dict(info) if info["OperationState"].endswith(("_COMPLETE", "_FAILED")) else {}

        return until(look, f"the end of {operation}", poll=0.5)

    def _run(self, call: str, members: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
        words = [word for name, value in members.items() for word in (f"--{name.replace('_', '-')}", spelled(value))]
        return ran(["aws", "kafka", call, *words], self._environment, PATIENCE)


def spelled(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
