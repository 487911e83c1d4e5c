"""The README's count of what is built is the code's."""

from __future__ import annotations

from pathlib import Path

from penstock.api.coverage import table


def test_the_readme_shows_exactly_what_is_built():
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert table() in readme, "put the output of `python -m penstock.api.coverage` into README.md"
