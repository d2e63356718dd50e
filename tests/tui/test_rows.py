"""The table of `top` as values."""

from rich.cells import cell_len

from monitor.client.mirror import Mirror
from monitor.core.model import Phase, Verdict
from monitor.tui.rows import COLUMNS, LONGEST, MOST, cells, chosen, headline
from tests.client.test_model import shown
from tests.web.desk import HOSTILE, NOON, failed, track

MIRROR = Mirror(
    instances=[
        shown(track("a", name="daily report", owner="ann@example.test")),
        shown(track("b", Phase.SUCCEEDED, name="weekly report", owner="bob@example.test")),
        shown(failed("c", name="每日报表")),
    ]
)


def ids(words: str, order: str = "key", *, reverse: bool = False) -> str:
    """Whose rows are shown."""
    return "".join(it.id for it in chosen(MIRROR, words, order, NOON, reverse=reverse).instances)


def test_all_words_must_occur() -> None:
    """In key, name, owner, phase or failure code, in any case and order."""
    assert ids("") == "abc"
    assert ids("REPORT ann") == "a"
    assert ids("每日") == "c"
    assert ids("odps-0130131") == "c"
    assert ids("succeeded warehouse/analytics") == "b"
    assert ids("report nobody") == ""


def test_orders_and_their_reverse() -> None:
    """As they are asked for."""
    assert ids("", "phase") == "cab"
    assert ids("", "phase", reverse=True) == "bac"


def test_no_more_than_fit_a_table() -> None:
    """The rest is counted."""
    mirror = Mirror(instances=[shown(track(f"i{at:04}")) for at in range(MOST + 7)])
    rows = chosen(mirror, "", "key", NOON)
    assert (len(rows.instances), rows.matching, rows.known) == (MOST, MOST + 7, MOST + 7)
    assert f"first {MOST}" in headline(mirror, "http://x.test", rows, "key", "").plain


def test_cells() -> None:
    """One for each column, printable and not too long, with the reason of a failure, or verdicts."""
    line = [cell.plain for cell in cells(shown(failed("c", message="no table", progress=0.5)), NOON)]
    assert len(line) == len(COLUMNS)
    assert [line[0], line[1].strip(), line[3], line[6]] == [
        "failed",
        "50%",
        "warehouse/analytics/c",
        "ODPS-0130131: no table",
    ]
    assert cells(shown(track("a", verdicts=frozenset({Verdict.LATE}))), NOON)[6].plain == "late"
    for name in HOSTILE:
        cell = cells(shown(track("a", name=name)), NOON)[5].plain
        assert cell.isprintable()
        assert cell_len(cell) <= LONGEST * 10


def test_headline() -> None:
    """How narrowed, how sorted, how many, where from: a narrow terminal cuts off what harms least."""
    told = headline(MIRROR, "http://x.test", chosen(MIRROR, "report", "key", NOON), "key", "report").plain
    assert told == "/report (2)  by key  3 instances: 1 running, 1 succeeded, 1 failed  http://x.test"
    empty = Mirror()
    assert "nothing yet" in headline(empty, "x", chosen(empty, "", "key", NOON), "key", "").plain
