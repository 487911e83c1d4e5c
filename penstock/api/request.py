"""A create as it was asked for, whichever of the two calls brought it.

`CreateCluster` (V1) is flat, `CreateClusterV2` wraps the same members in `provisioned`; from here on both are one value, and
an error still names the member by the path that the caller wrote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from penstock.api.rooms import Rooms
from penstock.kafka.versions import Distribution
from penstock.settings import Realism
from penstock.wire.call import Call, Caller
from penstock.wire.errors import BadRequest

_OUTER = ("ClusterName", "Tags")
"""Members beside `provisioned` in V2."""


@frozen
class CreateRequest:
    """The members of a create under botocore's names, typed by the wire; nothing is filled in yet."""

    caller: Caller
    name: str
    provisioned: Mapping[str, Any]
    """The members of V2's `ProvisionedRequest`; V1 has the same ones."""
    tags: Mapping[str, str]
    wrapped: bool
    """It came through V2: paths in errors begin with `provisioned.`."""
    realism: Realism
    versions: Mapping[str, Distribution]

    def get(self, path: str) -> Any:
        """The member at a dotted path of botocore names inside `provisioned`; None where it was not given."""
        value: Any = self.provisioned
        for part in path.split("."):
            if value is None:
                return None
            value = value.get(part)
        return value

    def wire_path(self, path: str) -> str:
        """The path as the caller wrote it: `provisioned.brokerNodeGroupInfo.clientSubnets`."""
        # Every member of this API is its botocore name with a small first letter (botocore's locationName).
        parts = [part[:1].lower() + part[1:] for part in path.split(".")]
        wrapped = self.wrapped and path not in _OUTER
        return ".".join(["provisioned", *parts] if wrapped else parts)

    def refusal(self, path: str, why: str) -> BadRequest:
        """The error about one member: its path, then the rule."""
        wire_path = self.wire_path(path)
        return BadRequest(f"{wire_path}: {why}", invalid_parameter=wire_path)

    def not_built(self, path: str, what: str) -> BadRequest:
        """The error about a member that MSK takes and Penstock cannot honour: better refused than ignored."""
        return self.refusal(path, f"{what} is not built yet, so a cluster that needs it cannot be created.")


def from_v1(call: Call, rooms: Rooms) -> CreateRequest:
    """The request of a `CreateCluster`."""
    provisioned = {member: value for member, value in call.params.items() if member not in _OUTER}
    return _request(call, rooms, provisioned, wrapped=False)


def from_v2(call: Call, rooms: Rooms) -> CreateRequest:
    """The request of a `CreateClusterV2`. Raises BadRequest unless it is about a provisioned cluster alone."""
    provisioned, serverless = call.params.get("Provisioned"), call.params.get("Serverless")
    if provisioned is not None and serverless is not None:
        raise BadRequest(
            "serverless: a cluster is either provisioned or serverless; give exactly one of the two.",
            invalid_parameter="serverless",
        )
    if serverless is not None:
        raise BadRequest(
            "serverless: serverless clusters are not built yet; create a provisioned one.",
            invalid_parameter="serverless",
        )
    if provisioned is None:
        raise BadRequest(
            "provisioned: say what cluster you want; give exactly one of `provisioned` and `serverless`.",
            invalid_parameter="provisioned",
        )
    return _request(call, rooms, provisioned, wrapped=True)


def _request(call: Call, rooms: Rooms, provisioned: Mapping[str, Any], *, wrapped: bool) -> CreateRequest:
    return CreateRequest(
        caller=call.caller,
        name=call.params["ClusterName"],
        provisioned=provisioned,
        tags=call.params.get("Tags") or {},
        wrapped=wrapped,
        realism=rooms.settings.realism,
        versions=rooms.versions,
    )
