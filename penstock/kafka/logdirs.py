"""What lies in a broker's log directories: sizes of replicas, and room on the volume. Values, and how answers become them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen
from kafka.protocol.admin import DescribeLogDirsRequest

from penstock.kafka.wire import error_name, refuse


@frozen
class LogDir:
    """One log directory of one broker."""

    path: str
    total_bytes: int
    """Of the volume that it is on; -1 where the broker does not tell."""
    usable_bytes: int
    """Free on that volume; -1 where the broker does not tell."""
    sizes: Mapping[tuple[str, int], int]
    """Topic and index of each replica that lies here -> bytes. Replicas on their way in count with what they have."""
    failed: str = ""
    """Kafka's name of the error, where the directory is out of order: then nothing else is known of it."""


def question() -> Any:
    """Every log directory of the broker that is asked, with every replica in it."""
    return DescribeLogDirsRequest(topics=None)


def log_dirs(answer: Any) -> tuple[LogDir, ...]:
    """Of DescribeLogDirs 4. A directory that failed is there with its error; KafkaRefused where the question was refused."""
    refuse("describing log directories", answer.error_code)
    return tuple(
        LogDir(
            path=found.log_dir,
            total_bytes=found.total_bytes,
            usable_bytes=found.usable_bytes,
            # A future replica is a copy on its way to another directory of the same broker.
            sizes={
                (topic.name, part.partition_index): part.partition_size
                for topic in found.topics
                for part in topic.partitions
                if not part.is_future_key
            },
            failed=error_name(found.error_code) if found.error_code else "",
        )
        for found in answer.results
    )


def held(dirs: Iterable[LogDir]) -> Mapping[tuple[str, int], int]:
    """Every replica in these directories -> bytes. Empty is the broker's own word that its volume holds no partition.

    ValueError where a directory has failed: what lies in it is not known, and not nothing."""
    found: dict[tuple[str, int], int] = {}
    for one in dirs:
        if one.failed:
            raise ValueError(f"what lies in {one.path} is not known: {one.failed}; mend the volume and ask again")
        found.update(one.sizes)
    return found
