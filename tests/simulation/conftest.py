"""One store for all stories of a module: each story is a cluster of its own and clears up."""

import pytest
from simulation.play import KEY, Play

from penstock.store.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('simulation')}/store.db", KEY)
    yield store
    store.close()


@pytest.fixture
def play(store):
    """A cluster at rest."""
    play = Play(store)
    play.until(play.at_rest, 60)
    yield play
    play.clear_up()
