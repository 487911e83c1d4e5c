"""What only `make soak` plays: it takes longer than CI has, or plays on real Kafka what the simulation plays, too."""

from __future__ import annotations

import os

import pytest

SOAK = bool(os.environ.get("PENSTOCK_SOAK"))


def soaked(why: str) -> pytest.MarkDecorator:
    """A test that runs in `make soak` alone. `why`: what it would take of CI's time, or who plays it there."""
    return pytest.mark.skipif(not SOAK, reason=f"{why}: `make soak` plays it")
