"""What is remembered, and what is forgotten first."""

from monitor.sources.batchcompute.recent import Recent


def test_what_was_used_stays() -> None:
    """Over the limit, what was not asked for longest goes."""
    recent: Recent[int] = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.get("a") == 1
    recent.put("c", 3)
    assert [recent.get(job) for job in "abc"] == [1, None, 3]


def test_weights_count() -> None:
    """One heavy value drives out many; one that is too heavy is not kept at all."""
    recent: Recent[str] = Recent(10)
    for job in "abcd":
        recent.put(job, job, 2)
    recent.put("heavy", "h", 8)
    assert [recent.get(job) for job in ("a", "b", "c", "d", "heavy")] == [None, None, None, "d", "h"]
    recent.put("vast", "v", 11)
    assert [recent.get(job) for job in ("heavy", "vast")] == [None, None]


def test_a_value_is_replaced_and_forgotten() -> None:
    """Neither leaves its weight behind."""
    recent: Recent[int] = Recent(3)
    for number in range(100):
        recent.put("a", number, 2)
        recent.put("b", number)
    assert (recent.get("a"), recent.get("b")) == (99, 99)
    recent.forget("a")
    recent.forget("a")
    recent.put("c", 0, 2)
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (None, 99, 0)
