"""States in our terms."""

import pytest
from structlog.testing import capture_logs

from monitor.core.model import Phase
from monitor.sources.batchcompute.words import LIVE, OVER, Vocabulary


@pytest.mark.parametrize(
    ("word", "phase"),
    [
        ("Waiting", Phase.WAITING),
        ("Running", Phase.RUNNING),
        ("Finished", Phase.SUCCEEDED),
        ("Failed", Phase.FAILED),
        ("Stopped", Phase.CANCELLED),
        ("RUNNING", Phase.RUNNING),
        ("finished", Phase.SUCCEEDED),
        ("Init", None),
        ("", None),
    ],
)
def test_states(word: str, phase: Phase | None) -> None:
    """The five, in any case; an unknown word is no phase."""
    assert Vocabulary("render").phase("job", word) is phase


def test_live_states_come_in_the_order_of_a_life() -> None:
    """A job that moves on while the lists are read stands in a later one, not in an earlier one."""
    words = Vocabulary("render")
    assert [words.phase("job", word) for word in LIVE] == [Phase.WAITING, Phase.RUNNING]
    assert all((phase := words.phase("job", word)) and phase.is_terminal for word in OVER)


def test_an_unknown_word_is_said_once() -> None:
    """With what has it; known and empty words are not said."""
    words = Vocabulary("render")
    with capture_logs() as logged:
        for _ in range(3):
            words.phase("task", "Dreaming")
        words.phase("task", "")
        words.phase("task", "Running")
    assert [(line["source"], line["of"], line["word"]) for line in logged] == [("render", "task", "Dreaming")]
