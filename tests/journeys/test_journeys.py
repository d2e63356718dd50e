"""Lives of instances, told in text: `language.py` says how to read them, `pytest --rewrite` writes them anew."""

from pathlib import Path

import pytest

from tests.journeys.language import retell

JOURNEYS = sorted(Path(__file__).parent.glob("*.txt"))


@pytest.mark.parametrize("path", JOURNEYS, ids=lambda path: path.stem)
def test_journey(path: Path, rewrite: bool) -> None:
    """What comes out of each line is what stands beneath it."""
    told = path.read_text(encoding="utf-8")
    came_out = retell(told)
    if rewrite:
        path.write_text(came_out, encoding="utf-8")
    else:
        assert came_out == told


def test_a_line_that_cannot_be_read_is_named() -> None:
    """A journey with a mistake says where it is."""
    with pytest.raises(ValueError, match="line 2: '@1 seen runing'"):
        retell("@0 seen waiting\n@1 seen runing\n")
