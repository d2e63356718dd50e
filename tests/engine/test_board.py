"""The board: counts that are always right, pages that neither repeat nor forget, and who vouched for what when."""

from collections import Counter
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.events import Swept
from monitor.core.filter import Filter
from monitor.core.health import Health
from monitor.core.model import InstanceKey, Phase, Task, Track
from monitor.engine.board import ROWS_A_SLICE, BadCursorError, Board
from monitor.storage.base import Batch
from tests.engine.scripted import key, moment

ALL = Filter()


def track(of: str | InstanceKey, phase: Phase = Phase.RUNNING, **fields: Any) -> Track:
    return Track(key=key(of) if isinstance(of, str) else of, kind="scripted", phase=phase, **fields)


def recount(board: Board) -> Counter[tuple[str, str, Phase]]:
    return Counter((track.key.source, track.key.project, track.phase) for track in board._tracks.values())


async def every_page(board: Board, wanted: Filter, limit: int, between: Any = lambda: None) -> list[str]:
    """The ids on all pages; `between` is called after each."""
    found: list[str] = []
    cursor = None
    while True:
        page = await board.select(wanted, limit=limit, cursor=cursor)
        found += (one.key.id for one in page.tracks)
        between()
        if page.next is None:
            return found
        cursor = page.next


def test_children_in_the_order_of_the_tasks_that_they_are() -> None:
    """Those that no task names come last; whoever is known first, the child or the one that started it."""
    board = Board([track("c", parent="flow", step="third"), track("x", parent="flow", step="?")])
    flow = track("flow", tasks=(Task("first"), Task("second"), Task("third")))
    board.apply(Batch(tracks=(flow, track("other", parent="else"), track("a", parent="flow", step="first"))))
    b = track("b", Phase.FAILED, parent="flow", step="second")
    board.apply(Batch(tracks=(b,)))
    assert [(one.key.id, one.phase) for one in board.children(key("flow"))] == [
        ("a", Phase.RUNNING),
        ("b", Phase.FAILED),
        ("c", Phase.RUNNING),
        ("x", Phase.RUNNING),
    ]
    board.apply(Batch(remove=tuple(map(key, "abcx"))))
    assert board.children(key("flow")) == board.children(key("nobody")) == ()
    assert [one.key.id for one in board.children(key("else"))] == ["other"]


keys = st.builds(InstanceKey, st.sampled_from("st"), st.sampled_from("pq"), st.sampled_from("abcde"))
tracks = st.builds(track, keys, st.sampled_from(Phase))
batches = st.builds(
    Batch, tracks=st.lists(tracks, max_size=6).map(tuple), remove=st.lists(keys, max_size=3, unique=True).map(tuple)
)


@given(st.lists(tracks, max_size=4), st.lists(batches, max_size=12))
def test_indexes_always_equal_a_recount(first: list[Track], then: list[Batch]) -> None:
    """After every batch: counts, live tracks and ids are what a walk over all tracks would find."""
    board = Board(first)
    for batch in then:
        board.apply(batch)
        assert board.counts() == recount(board)
        held = board._tracks
        for source in "st":
            for project in "pq":
                live = {k.id: t for k, t in held.items() if (k.source, k.project) == (source, project)}
                assert board.live(source, project) == {i: t for i, t in live.items() if t.phase.is_live}
        for name in "abcde":
            assert set(board.with_id(name)) == {k for k in held if k.id == name}
        assert len(board) == len(held)


def test_an_id_finds_every_key_that_has_it() -> None:
    """The same id in two projects is two keys; an unknown one is none."""
    here, there = key("i"), key("i", project="q")
    board = Board([track(here), track(there)])
    assert board.with_id("i") == (here, there)
    assert board.with_id("other") == ()


def test_a_listing_vouches_for_what_it_named() -> None:
    """Live and listed: as fresh as the sweep, or as a newer look. Not listed, or ended: as old as it was seen."""
    seen = {"observed_at": moment(10)}
    listed, absent, ended = track("listed", **seen), track("absent", **seen), track("ended", Phase.FAILED, **seen)
    newer = track("newer", observed_at=moment(99))
    board = Board([listed, absent, ended, newer])
    assert board.observed_at(listed) == moment(10)
    board.apply(Batch(swept=(Swept("s", "p", moment(50), frozenset({"listed", "ended", "newer"})),)))
    assert board.observed_at(listed) == moment(50)
    assert board.observed_at(absent) == moment(10)
    assert board.observed_at(ended) == moment(10)
    assert board.observed_at(newer) == moment(99)
    assert board.observed_at(track("listed")) == moment(50)


def test_health_is_that_of_the_last_batch() -> None:
    """Each project's health is replaced by what a batch says of it."""
    board = Board()
    board.apply(Batch(health={("s", "p"): Health(failures=1), ("s", "q"): Health(swept_at=moment(1))}))
    board.apply(Batch(health={("s", "p"): Health(swept_at=moment(2))}))
    assert board.health == {("s", "p"): Health(swept_at=moment(2)), ("s", "q"): Health(swept_at=moment(1))}


@pytest.mark.anyio
@pytest.mark.parametrize("limit", [1, 3, 50, 100])
async def test_pages_hold_every_match_once(limit: int) -> None:
    """Newest discovered first, each once, and the total of all pages on every page."""
    board = Board(track(f"i{n}", Phase.FAILED if n % 2 else Phase.RUNNING) for n in range(50))
    failed = Filter(phase=frozenset({Phase.FAILED}))
    assert await every_page(board, failed, limit) == [f"i{n}" for n in range(49, 0, -2)]
    page = await board.select(failed, limit=limit)
    assert page.total == 25
    assert (page.next is None) == (limit >= 25)


@pytest.mark.anyio
async def test_pages_hold_every_match_once_while_tracks_change() -> None:
    """Between pages tracks change, appear, disappear and come back: what stays is listed once, nothing twice."""
    board = Board(track(f"i{n}") for n in range(60))
    step = iter(range(1000))

    def change() -> None:
        n = next(step)
        board.apply(Batch(tracks=(track(f"i{n * 7 % 60}", Phase.FAILED), track(f"new{n}"))))
        board.apply(Batch(remove=(key("i20"), key("i40"))))
        board.apply(Batch(tracks=(track("i40"),)))

    found = await every_page(board, ALL, 7, between=change)
    assert len(found) == len(set(found))
    assert set(found) >= {f"i{n}" for n in range(60)} - {"i20", "i40"}


@pytest.mark.anyio
async def test_pages_survive_what_happens_while_one_is_made() -> None:
    """A track that is forgotten and discovered again while a page is being made does not turn the cursor back."""
    board = Board(track(f"i{n}") for n in range(2 * ROWS_A_SLICE))
    found: list[str] = []

    async def read() -> None:
        found.extend(await every_page(board, ALL, 500))

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        for n in range(0, 2 * ROWS_A_SLICE, 50):
            await anyio.lowlevel.checkpoint()
            board.apply(Batch(remove=(key(f"i{n}"),)))
            board.apply(Batch(tracks=(track(f"i{n}"),)))
    assert len(found) == len(set(found))
    assert set(found) >= {f"i{n}" for n in range(2 * ROWS_A_SLICE) if n % 50}


@pytest.mark.anyio
@pytest.mark.parametrize("cursor", ["", "x", "-1", "1.5", "٣", "9" * 19, "1e3"])
async def test_a_foreign_cursor_is_refused(cursor: str) -> None:
    """Whatever is not a number of ours is named in the error."""
    with pytest.raises(BadCursorError, match="is not a cursor"):
        await Board([track("i")]).select(ALL, limit=10, cursor=cursor)


@pytest.mark.anyio
async def test_an_old_cursor_is_an_empty_page() -> None:
    """A cursor behind the last track gives nothing, and the total."""
    page = await Board([track("i")]).select(ALL, limit=10, cursor="1")
    assert (page.tracks, page.next, page.total) == ((), None, 1)


@pytest.mark.anyio
async def test_a_large_answer_lets_others_have_a_turn() -> None:
    """Filtering twenty thousand tracks yields to the loop ten times."""
    board = Board(track(f"i{n}") for n in range(20_000))
    turns = 0

    async def breathe() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    async with anyio.create_task_group() as group:
        group.start_soon(breathe)
        await board.select(Filter(q="nothing"), limit=10)
        group.cancel_scope.cancel()
    assert turns >= 20_000 // ROWS_A_SLICE - 3
