"""The command line of a Kafka node's Java. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from penstock.model.ids import Role

MAIN_CLASS = "kafka.Kafka"

TUNING: Mapping[Role, tuple[str, ...]] = MappingProxyType(
    {
        # A controller's loops are short: the first compiler alone halves its start (kafka.md 2.1).
        Role.CONTROLLER: ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
        # Brokers keep the second compiler, for work that lasts. At a start it would be woken by TLS loops and by code that
        # runs a few thousand times and never again. With its thresholds raised, three brokers and three controllers serve
        # after 4.9 s in place of 5.7 s, and after 4.7 s without it at all (2 cores, 4.3.1, medians of 3).
        Role.BROKER: (
            "-XX:+UseSerialGC",
            "-XX:Tier4BackEdgeThreshold=4000000",
            "-XX:Tier4InvocationThreshold=50000",
            "-XX:Tier4MinInvocationThreshold=20000",
            "-XX:Tier4CompileThreshold=150000",
            # But ciphers at once: AES-GCM has its machine instructions in the second compiler alone. Without it 16 KiB
            # records pass at 25-32 MB/s, and with the thresholds above that lasts for a fresh broker's first 200 MB;
            # scaled down, at 500 MB/s and more after the first 25 (one core, Java 21).
            "-XX:CompileCommand=quiet",
            "-XX:CompileCommand=CompileThresholdScaling,com.sun.crypto.provider.*::*,0.01",
        ),
    }
)
"""What makes a start quick; start-up archives are made under these flags."""

COMMON = (
    # Half a broker is worse than none: the loop starts a dead one again, and cannot see that one lost a thread.
    "-XX:+ExitOnOutOfMemoryError",
    # No file for each process in the machine's temporary folder.
    "-XX:-UsePerfData",
    # Kafka puts the key of a PEM file into a key store in memory, for each network thread and each replica fetcher, and Java
    # would make and open each with 2 x 10,000 rounds of a hash; where that store is never written they guard nothing.
    "-Dkeystore.pkcs12.keyPbeIterationCount=1",
    "-Djava.awt.headless=true",
    "-Dfile.encoding=UTF-8",
)


FIRST_HEAP_MIB = 64
"""The heap grows from here. A node that starts with all of it fills its young generation before it first collects:
a broker of 512 MiB then holds 436 MB after its first record in place of 308, for no less CPU time (measured, 4.3.1)."""


def flags(role: Role, heap_mib: int) -> tuple[str, ...]:
    """Flags of a role with the given largest heap (MiB), without the archive."""
    return (f"-Xms{min(FIRST_HEAP_MIB, heap_mib)}m", f"-Xmx{heap_mib}m", *TUNING[role], *COMMON)


def command(
    java: str, role: Role, heap_mib: int, class_path: str, properties: str, extra: Sequence[str] = ()
) -> tuple[str, ...]:
    """Everything to run one node: `java` is the executable, `properties` the path of its server.properties.

    `extra` are further flags: those of the start-up archive, the logging configuration."""
    return (java, *flags(role, heap_mib), *extra, "-cp", class_path, MAIN_CLASS, properties)
