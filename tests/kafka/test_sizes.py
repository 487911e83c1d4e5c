"""What MSK's sizes mean on a machine: heaps in proportion, threads as MSK's, both within what the machine has."""

import pytest

from penstock.api.validate import STANDARD_TYPES
from penstock.kafka.sizes import LEAST_HEAP_MIB, heap_mib, size_of, threads

HUGE = 2**20
"""A machine on which nothing is short, in MiB."""


def test_every_type_that_can_be_asked_for_has_a_size():
    for name in STANDARD_TYPES:
        assert size_of(name).memory_gib >= 2
    with pytest.raises(KeyError):
        size_of("kafka.m5.tiny")


def test_families_differ_in_name_alone():
    assert size_of("kafka.m5.2xlarge") == size_of("kafka.m7g.2xlarge")


@pytest.mark.parametrize(
    ("name", "heap"), [("large", 512), ("xlarge", 1024), ("2xlarge", 2048), ("4xlarge", 4096), ("24xlarge", 24576)]
)
def test_heaps_are_in_proportion_to_memory(name, heap):
    assert heap_mib(f"kafka.m5.{name}", 512, HUGE) == heap


def test_no_heap_is_more_than_its_share_of_the_machine_but_a_large_one_is_always_had():
    assert heap_mib("kafka.m5.24xlarge", 512, 16_000) == 2000
    assert heap_mib("kafka.m5.24xlarge", 512, 1000) == 512
    assert heap_mib("kafka.m5.large", 512, 1000) == 512


def test_the_smallest_type_has_what_a_broker_needs_to_start():
    assert heap_mib("kafka.t3.small", 512, HUGE) == LEAST_HEAP_MIB
    assert heap_mib("kafka.t3.small", 4096, HUGE) == 1024
    assert LEAST_HEAP_MIB >= 256, "the log cleaner alone takes 128 MiB"


def test_a_larger_type_never_has_a_smaller_heap():
    sizes = [name for name in STANDARD_TYPES if "m5" in name]
    for machine in (1000, 8000, 24_000, HUGE):
        heaps = [heap_mib(name, 512, machine) for name in sizes]
        assert heaps == sorted(heaps)


def test_threads_are_msks_as_far_as_cores_can_use_them():
    plain = {"num.io.threads": "8", "num.network.threads": "5"}
    assert threads("kafka.m5.large", 64) == plain
    assert threads("kafka.t3.small", 64) == plain
    assert threads("kafka.m5.4xlarge", 64) == {"num.io.threads": "16", "num.network.threads": "8"}
    assert threads("kafka.m7g.16xlarge", 64) == {"num.io.threads": "64", "num.network.threads": "32"}
    assert threads("kafka.m7g.16xlarge", 8) == {"num.io.threads": "32", "num.network.threads": "16"}
    assert threads("kafka.m7g.16xlarge", 1) == plain
