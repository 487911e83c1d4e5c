"""MSK's broker sizes, and what a size means on a machine that is not an EC2 instance. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from attrs import frozen


@frozen
class Size:
    """One size of a Standard broker. Threads and partitions are MSK's (msk.md 3.2)."""

    memory_gib: int
    io_threads: int = 8
    network_threads: int = 5
    partitions: int = 6000
    """Leaders and other replicas that a broker may hold and still be updated."""


_SIZES: Mapping[str, Size] = MappingProxyType(
    {
        "small": Size(2, partitions=300),
        "large": Size(8, partitions=1500),
        "xlarge": Size(16, partitions=1500),
        "2xlarge": Size(32, partitions=3000),
        "4xlarge": Size(64, 16, 8),
        "8xlarge": Size(128, 32, 16),
        "12xlarge": Size(192, 48, 24),
        "16xlarge": Size(256, 64, 32),
        "24xlarge": Size(384, 96, 48),
    }
)
_LARGE = _SIZES["large"]
_SHARE_OF_MACHINE = 8
"""A broker's heap is at most this part of the machine: three brokers, three controllers and the page cache share it."""
LEAST_HEAP_MIB = 256
"""With less no broker starts: the buffer of the log cleaner alone takes 128 MiB (seen on 4.3.1)."""


def size_of(instance_type: str) -> Size:
    """The size in an instance type (`kafka.m5.large`). KeyError where there is none."""
    return _SIZES[instance_type.rpartition(".")[2]]


def heap_mib(instance_type: str, large_mib: int, machine_mib: int) -> int:
    """The largest heap of a broker of this type, where a `large` one has `large_mib`: in proportion to EC2's memory, never
    more than a share of this machine (which a `large` one always gets), and never so little that Kafka cannot start."""
    wanted = large_mib * size_of(instance_type).memory_gib // _LARGE.memory_gib
    return max(LEAST_HEAP_MIB, min(wanted, max(large_mib, machine_mib // _SHARE_OF_MACHINE)))


def threads(instance_type: str, cores: int) -> Mapping[str, str]:
    """`num.io.threads` and `num.network.threads` of a type: MSK's, as far as this machine's cores can use them."""
    size = size_of(instance_type)
    return {
        "num.io.threads": str(min(size.io_threads, max(_LARGE.io_threads, 4 * cores))),
        "num.network.threads": str(min(size.network_threads, max(_LARGE.network_threads, 2 * cores))),
    }
