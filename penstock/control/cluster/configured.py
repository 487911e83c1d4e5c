"""From the configuration that a spec names to the properties in it: what the layout is given."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.kafka.accepted import release_of
from penstock.kafka.configuration import effective
from penstock.kafka.properties_file import parse
from penstock.model.spec import ClusterSpec
from penstock.store.errors import StoreError
from penstock.store.transaction import Transaction


def properties_of(rows: Transaction, spec: ClusterSpec) -> Mapping[str, str]:
    """The properties as the user wrote them; none for a cluster without a configuration. Raises StoreError."""
    if spec.configuration is None:
        return {}
    arn, number = spec.configuration
    revision = rows.configurations.revision(arn, number)
    if revision is None:
        raise StoreError(
            f"The cluster {spec.name} runs with revision {number} of {arn}, which the store does not hold: it was damaged. "
            "Restore it from a backup."
        )
    return parse(revision.properties)


def effective_of(rows: Transaction, spec: ClusterSpec) -> Mapping[str, str]:
    """The same as nodes of the cluster's version are told them."""
    return effective(properties_of(rows, spec), release_of(spec.kafka_version))
