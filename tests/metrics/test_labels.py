"""Label values that cannot end a scrape."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.metrics.labels import LONGEST_ID, fit, fit_id


def test_ordinary_text_stays() -> None:
    """Names in any script, quotes and right-to-left marks are carried as they are."""
    assert fit('任务 "x" \\ \u202e<script>') == '任务 "x" \\ \u202e<script>'


def test_control_characters_and_half_pairs_are_replaced() -> None:
    """NUL ends Prometheus' parser, a newline would be read as two characters, a lone surrogate cannot be encoded."""
    assert fit("a\0b\nc\ud800d\x7f") == "a\ufffdb\ufffdc\ufffdd\ufffd"


def test_a_long_id_is_cut_with_a_mark() -> None:
    """Exemplars have room for 128 characters."""
    cut = fit_id("x" * 10_000)
    assert len(cut) == LONGEST_ID
    assert cut.endswith("x…")


@given(st.text(alphabet=st.characters()))
def test_every_text_becomes_utf8_of_bounded_size(text: str) -> None:
    """Whatever a service calls its instances, an exemplar of it is legal."""
    fitted = fit_id(text)
    assert "\0" not in fitted
    assert len("instance") + len(fitted) <= 128
    fitted.encode()
