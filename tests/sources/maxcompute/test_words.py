"""Native words and what they mean."""

import pytest
from structlog.testing import capture_logs

from monitor.core.model import Phase
from monitor.sources.maxcompute.words import Vocabulary, decide, stage_status

W, R, S, OK, F, C = (
    Phase.WAITING,
    Phase.RUNNING,
    Phase.SUSPENDED,
    Phase.SUCCEEDED,
    Phase.FAILED,
    Phase.CANCELLED,
)


@pytest.mark.parametrize(
    ("status", "tasks", "phase"),
    [
        ("running", [], None),
        ("running", [W], W),
        ("running", [W, W], W),
        ("running", [W, R], R),
        ("running", [R], R),
        ("running", [OK], R),
        ("running", [None], R),
        ("running", [F, R], R),
        ("suspended", [], S),
        ("suspended", [S], S),
        ("suspended", [R, F], S),
        ("terminated", [], None),
        ("terminated", [OK], OK),
        ("terminated", [OK, OK], OK),
        ("terminated", [OK, F], F),
        ("terminated", [C, F], F),
        ("terminated", [OK, C], C),
        ("terminated", [OK, R], None),
        ("terminated", [OK, None], None),
        ("unheard of", [OK], None),
        ("unheard of", [F], F),
        ("unheard of", [C], C),
        ("unheard of", [R], None),
    ],
)
def test_the_decision(status: str, tasks: list[Phase | None], phase: Phase | None) -> None:
    """How an instance stands, from its word and its tasks."""
    assert decide(status, tasks) is phase


@pytest.mark.parametrize(
    ("word", "phase"),
    [
        ("Waiting", W),
        ("RUNNING", R),
        ("suspended", S),
        ("Success", OK),
        ("Failed", F),
        ("Cancelled", C),
        ("Canceled", C),
        ("Dreaming", None),
        ("", None),
    ],
)
def test_words_of_tasks(word: str, phase: Phase | None) -> None:
    """Any case, both spellings; an unknown word is no phase."""
    assert Vocabulary("warehouse").task(word) is phase


def test_an_unknown_word_is_said_once() -> None:
    """However many instances have it, the log has one line per word; known and empty words have none."""
    words = Vocabulary("warehouse")
    with capture_logs() as logged:
        for _ in range(3):
            assert words.instance("Hibernating") == "hibernating"
            words.task("Dreaming")
        words.instance("Running")
        words.instance("")
        words.task("Success")
        words.task("")
    assert [(line["source"], line["of"], line["word"]) for line in logged] == [
        ("warehouse", "instance", "hibernating"),
        ("warehouse", "task", "Dreaming"),
    ]


def test_a_service_that_makes_words_up_does_not_fill_the_log() -> None:
    """After a hundred words no more are noted, and a long one is cut."""
    words = Vocabulary("warehouse")
    with capture_logs() as logged:
        for number in range(1000):
            words.task(f"{number}" + "x" * 10_000)
    assert len(logged) == 100
    assert max(len(line["word"]) for line in logged) == 64


@pytest.mark.parametrize(
    ("word", "status"), [("Running", "RUNNING"), ("TERMINATED", "TERMINATED"), ("odd", None), ("", None)]
)
def test_words_of_stages(word: str, status: str | None) -> None:
    """Known words in capitals, others none."""
    assert stage_status(word) == status
