"""Words that a driver does not know."""

from structlog.testing import capture_logs

from monitor.sources.unknown import LONGEST_WORD, UnknownWords


def test_a_word_is_noted_once() -> None:
    """With the source and with what has it; the second time it is no news."""
    words = UnknownWords("warehouse")
    with capture_logs() as logged:
        for _ in range(3):
            words.note("task", "Dreaming")
    assert [(line["source"], line["of"], line["word"]) for line in logged] == [("warehouse", "task", "Dreaming")]


def test_a_service_that_makes_words_up_does_not_fill_the_log() -> None:
    """After a hundred words no more are noted, and a long one is cut."""
    words = UnknownWords("warehouse")
    with capture_logs() as logged:
        for number in range(1000):
            words.note("job", f"{number}" + "x" * 10_000)
    assert len(logged) == 100
    assert max(len(line["word"]) for line in logged) == LONGEST_WORD
