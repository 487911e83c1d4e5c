"""A request after the wire has done its work: authenticated, parsed and valid against the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen


@frozen
class Caller:
    """Who calls: from the signature's scope (region) and the access key (account)."""

    account: str
    region: str
    access_key: str
    arn: str
    """`arn:aws:iam::{account}:root` for the root key."""


@frozen
class Call:
    """One call of one operation. `params` holds the input under botocore's member names (`ClusterName`), typed by the model."""

    service: str
    operation: str
    params: Mapping[str, Any]
    caller: Caller
    request_id: str


Output = Mapping[str, Any]
"""The output under botocore's member names; None members are left out on the wire."""

Handler = Callable[[Call], Output]
"""One operation. Raises `wire.errors.ApiError` for what the model calls an error."""
