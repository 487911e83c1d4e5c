"""Real control planes over real Kafka: a cache that has every version, homes that leave nothing behind, planes that may be killed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp

import pytest
from oracle.plane import Cluster, Home, Plane, answers, new_home
from oracle.soak import SOAK

VERSIONS = ("4.3.x.kraft", "4.1.x.kraft")


@pytest.fixture(scope="session")
def tell(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Says on the terminal how far a long story is. Silent without `make soak`."""
    capture = pytestconfig.pluginmanager.get_plugin("capturemanager")
    if capture is None or not SOAK:
        return lambda text: None

    def told(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"{datetime.now():%H:%M:%S} {text}", flush=True)

    return told


@pytest.fixture(scope="session")
def registry() -> Iterator[Path]:
    """Where the homes of this test run claim their networks: one for all, so that they do not meet."""
    folder = Path(mkdtemp(prefix="penstock-networks-", dir="/tmp"))
    folder.chmod(0o1777)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def cache(registry: Path) -> None:
    """Java, Kafka and start-up archives of every version, in PENSTOCK_CACHE or the default cache."""
    anywhere = Home(Path("/tmp"), registry)
    anywhere.run("prepare", *VERSIONS, timeout=900)


@pytest.fixture
def homes(cache: None, registry: Path) -> Iterator[Callable[..., Home]]:
    """Makes homes for one test; settings by name, `within` for a directory of one's own."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(new_home(registry, **settings))


@pytest.fixture
def home(homes: Callable[..., Home]) -> Home:
    return homes()


@pytest.fixture
def plane(home: Home) -> Plane:
    """A control plane on a home of its own."""
    return Plane(home).up()


@pytest.fixture(scope="session")
def standing(cache: None, registry: Path) -> Iterator[Plane]:
    """A control plane that all tests share which leave it as they found it."""
    with new_home(registry) as home:
        yield Plane(home).up()


@pytest.fixture(scope="session")
def shared(standing: Plane) -> list[Cluster]:
    """At most one cluster, with both client listeners, which tests share that heal it."""
    return []


@pytest.fixture
def orders(standing: Plane, shared: list[Cluster]) -> Iterator[Cluster]:
    """The shared cluster: ACTIVE before the test, and ACTIVE again after it. One that a test has broken is replaced."""
    if not answers(standing):
        standing.up()
    if shared and shared[0].state in ("CREATING", "FAILED"):
        pytest.fail("the shared cluster never came up; the first test that asked for it tells why")
    if shared and shared[0].state != "ACTIVE":
        shared.pop().delete()
    if not shared:
        shared.append(standing.begin("orders", client_broker="TLS_PLAINTEXT"))
        shared[0].active()
    yield shared[0]
    shared[0].active()


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 24 MiB. It takes root to mount one."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk takes root; run the tests as root (as CI does) to have this one")
    folder = Path(mkdtemp(prefix="penstock-small-", dir="/tmp"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=755", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()
