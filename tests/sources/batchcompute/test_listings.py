"""What is live, what has ended, and how few requests that takes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitor.core.model import InstanceKey, Phase
from monitor.sources.base import Detail, Priority, Reason, RequestReport, SourceError
from tests.sources.batchcompute.jobs import (
    ID,
    KEY,
    NOW,
    REGION,
    Answer,
    Clock,
    error,
    job,
    lists,
    numbered,
    one,
    page,
    plan,
    targets,
    watching,
    whole,
)
from tests.sources.scripted import Service, serving

pytestmark = pytest.mark.asyncio

NO_PLAN = error("InvalidParameter")
SINCE = NOW - timedelta(minutes=10)


def listed(service: Service) -> list[str]:
    """What was asked of the listings."""
    return [target for target in targets(service.asked) if target.startswith("/jobs?")]


# --- sweeps -----------------------------------------------------------------------------------------------------------


async def test_a_sweep_reads_both_states_to_the_last_page() -> None:
    """First those that wait, then those that run, a hundred at a time; markers go back as they came."""
    async with serving() as service, watching(service, discover=False) as source:
        lists(service, [page(job("Waiting", (2,), "w1"))])
        service.on("Marker&MaxItemCount=100&State=Running", page(job("Running", id_="r1"), marker="r 2/x"))
        service.on("Marker=r%202%2Fx", page(job("Running", id_="r2")))
        ids, said = await whole(source.sweep(REGION))
    assert ids == {"w1", "r1", "r2"}
    assert [(seen.key.id, seen.phase) for seen in said] == [
        ("w1", Phase.WAITING),
        ("r1", Phase.RUNNING),
        ("r2", Phase.RUNNING),
    ]
    assert listed(service) == [
        "/jobs?Marker&MaxItemCount=100&State=Waiting",
        "/jobs?Marker&MaxItemCount=100&State=Running",
        "/jobs?Marker=r%202%2Fx&MaxItemCount=100&State=Running",
    ]


async def test_only_what_changed_is_told() -> None:
    """An entry equal to the last one makes no observation, whether its page is the same or not; its id is named."""
    first, second = job("Running", id_="a"), job("Running", id_="b")
    moved = job("Running", (0, 1, 1), "b")
    async with serving() as service, watching(service, discover=False) as source:
        lists(service, running=[page(first, second), page(first, second), page(first, moved), page(moved)])
        told = [await whole(source.sweep(REGION)) for _ in range(4)]
    assert [[seen.key.id for seen in said] for _, said in told] == [["a", "b"], [], ["b"], []]
    assert [ids for ids, _ in told] == [{"a", "b"}, {"a", "b"}, {"a", "b"}, {"b"}]


async def test_a_job_that_comes_back_is_told_again() -> None:
    """What was absent from a whole sweep is forgotten."""
    async with serving() as service, watching(service, discover=False) as source:
        lists(service, running=[page(job("Running")), page(), page(job("Running"))])
        told = [await whole(source.sweep(REGION)) for _ in range(3)]
    assert [len(said) for _, said in told] == [1, 0, 1]


async def test_a_job_that_moves_on_meanwhile_is_listed_twice() -> None:
    """It waits on one list and runs on the other: the later word counts, also when the older page comes again."""
    async with serving() as service, watching(service, discover=False) as source:
        lists(service, [page(job("Waiting"))], [page(job("Running")), page(), page(job("Running"))])
        told = [await whole(source.sweep(REGION)) for _ in range(3)]
    assert [[seen.phase for seen in said] for _, said in told] == [
        [Phase.WAITING, Phase.RUNNING],
        [Phase.WAITING],
        [Phase.RUNNING],
    ]
    assert all(ids == {ID} for ids, _ in told)


async def test_a_service_that_ignores_the_filter() -> None:
    """What is over is neither named nor told, what is live is told once, an unknown state is kept as it is."""
    everything = page(
        job("Running"),
        job("Failed", id_="old"),
        job("Finished", id_="done"),
        job("Dreaming", id_="odd"),
        job("Running"),
    )
    async with serving() as service, watching(service, discover=False) as source:
        lists(service, [everything], [everything])
        ids, said = await whole(source.sweep(REGION))
    assert ids == {ID, "odd"}
    assert [(seen.key.id, seen.phase, seen.native_status) for seen in said] == [
        (ID, Phase.RUNNING, "Running"),
        ("odd", None, "Dreaming"),
    ]


async def test_entries_that_cannot_be_read() -> None:
    """They are skipped and counted, the others are used."""
    reports: list[RequestReport] = []
    async with serving() as service, watching(service, reports=reports, discover=False) as source:
        lists(service, running=[page(job("Running"), 7, job("Running", id_="../x"), job("Running", id_="b", Name=7))])
        ids, _ = await whole(source.sweep(REGION))
    assert ids == {ID, "b"}
    assert [report.skipped for report in reports] == [0, 3]


@pytest.mark.parametrize("answer", [Answer("<html/>"), Answer("{}"), Answer("[]"), Answer(""), Answer('{"Items": 7}')])
async def test_an_answer_that_is_no_listing(answer: Answer) -> None:
    """It does not mean that nothing is live."""
    async with serving() as service, watching(service) as source:
        lists(service, running=[answer])
        with pytest.raises(SourceError, match="render: sweep") as caught:
            await whole(source.sweep(REGION))
    assert caught.value.reason is Reason.MALFORMED


async def test_a_listing_without_end() -> None:
    """A marker that leads back is refused, not followed."""
    async with serving() as service, watching(service) as source:
        lists(service, running=[page(job("Running"), marker="again")])
        with pytest.raises(SourceError, match="does not end") as caught:
            await whole(source.sweep(REGION))
    assert caught.value.reason is Reason.MALFORMED
    assert len(service.asked) == 3


async def test_a_page_that_fails_fails_the_sweep() -> None:
    """Pages that were read stay told; the next sweep says nothing twice."""
    async with serving() as service, watching(service, discover=False) as source:
        lists(service, [page(job("Waiting"))], [Answer(status=500), page()])
        said: list[str] = []

        async def sweep() -> None:
            async for got in source.sweep(REGION):
                said.extend(seen.key.id for seen in got.seen)

        with pytest.raises(SourceError):
            await sweep()
        ids, again = await whole(source.sweep(REGION))
    assert (said, ids, again) == ([ID], {ID}, [])


# --- plans and stages -------------------------------------------------------------------------------------------------


async def test_a_listing_tells_the_stages_of_jobs_with_one_task() -> None:
    """Once its plan is known, which is asked for once, after the first sweep that named it."""
    async with serving() as service, watching(service) as source:
        service.on("?description", plan("count", retries=3))
        lists(service, running=[page(job("Running", (1, 2))), page(job("Running", (0, 2, 1)))])
        _, first = await whole(source.sweep(REGION))
        _, second = await whole(source.sweep(REGION))
        _, third = await whole(source.sweep(REGION))
    assert [seen.stages_read for seen in (*first, *second)] == [False, True]
    assert third == []
    (task,) = second[0].tasks or ()
    (stage,) = task.stages
    assert (task.name, task.phase, stage.running, stage.terminated, stage.total) == ("count", Phase.RUNNING, 2, 1, 3)
    assert len(service.asked_for("?description")) == 1


async def test_only_so_many_plans_with_each_sweep() -> None:
    """A tenth of the requests between two sweeps, those of jobs that are discovered, and none twice."""
    rows = [job("Running", id_=numbered(number), Name=f"etl-{number % 2}") for number in range(50)]
    pace = {"requests_per_second": 10, "sweep_every": "10s", "discover": {"jobs": "etl-1"}}
    async with serving() as service, watching(service, **pace) as source:
        service.on("?description", plan("count"))
        lists(service, running=[page(*rows)])
        counts = []
        for _ in range(4):
            await whole(source.sweep(REGION))
            counts.append(len(service.asked_for("?description")))
    assert counts == [10, 20, 25, 25]
    assert len({asked.target for asked in service.asked_for("?description")}) == 25


async def test_a_sweep_is_complete_without_plans() -> None:
    """Trouble with them is no trouble of the listing: the rest is asked for with the next sweep."""
    async with serving() as service, watching(service) as source:
        service.on("?description", Answer(status=500), plan("count"))
        lists(service, running=[page(job("Running"))])
        ids, _ = await whole(source.sweep(REGION))
        await whole(source.sweep(REGION))
        await whole(source.sweep(REGION))
    assert ids == {ID}
    assert len(service.asked_for("?description")) == 2


async def test_three_hundred_jobs_cost_as_many_requests_as_pages_and_changes() -> None:
    """300 jobs of 10 instances, all looked at after each sweep: two requests when nothing changed."""
    rows: dict[str, Any] = {numbered(n): job("Running", (2, 3, 5), numbered(n)) for n in range(300)}
    changes = 0

    def running(asked: Any) -> Answer:
        ids = sorted(rows)
        start = next((number for number, id_ in enumerate(ids) if f"Marker={id_}&" in asked.target), 0)
        following = ids[start + 100] if start + 100 < len(ids) else ""
        return page(*(rows[id_] for id_ in ids[start : start + 100]), marker=following)

    async with serving() as service, watching(service, requests_per_second=10_000) as source:
        service.on("?description", plan("split", "count"))
        service.on("/tasks?", page())
        lists(service)
        service.on("State=Running", running)

        async def tick() -> int:
            before = len(service.asked)
            ids, _ = await whole(source.sweep(REGION))
            assert len(ids) == 300
            for id_ in ids:
                await source.inspect(InstanceKey("render", REGION, id_), Detail.STAGES, Priority.ATTENTION)
            return len(service.asked) - before

        assert await tick() == 1 + 3 + 300 + 300  # pages; each job's plan; the tasks of each
        for changes in (0, 7, 0):
            for number in range(changes):
                rows[numbered(number)] = job("Running", (1, 3, 6), numbered(number))
            assert await tick() == 1 + 3 + changes


async def test_a_row_is_as_good_as_an_answer_for_two_sweeps() -> None:
    """Then, and for what is not listed any more, the job itself is asked."""
    clock = Clock()
    async with serving() as service, watching(service, clock=clock, discover=False) as source:
        service.on(f"/jobs/{ID}", one(job("Running")))
        service.on("?description", NO_PLAN)
        service.on("/tasks?", page())
        lists(service, running=[page(job("Running")), page(job("Running")), page()])
        await whole(source.sweep(REGION))
        clock.advance(seconds=15)
        await whole(source.sweep(REGION))
        seen = await source.inspect(KEY, Detail.STAGES, Priority.ATTENTION)
        assert seen.at == NOW + timedelta(seconds=15)
        clock.advance(seconds=21)
        await source.inspect(KEY, Detail.STAGES, Priority.ATTENTION)
        await whole(source.sweep(REGION))
        await source.inspect(KEY, Detail.STAGES, Priority.ATTENTION)
    assert targets(service.asked).count(f"/jobs/{ID}") == 2


# --- what has ended ---------------------------------------------------------------------------------------------------


def created(minutes: int) -> str:
    """A time so long before now."""
    return (NOW - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


async def test_what_has_ended_is_told_every_time_with_how() -> None:
    """All three states; what is still live, or of an unknown state, is not."""
    rows = (
        job("Finished", (0, 0, 2, 1), "a"),
        job("Running", id_="b"),
        job("Dreaming", id_="c"),
        job("Failed", id_="d"),
    )
    async with serving() as service, watching(service) as source:
        lists(service, ended=[page(*rows)])
        service.on("State=Failed", page(job("Failed", id_="d"), 7))
        service.on("State=Stopped", page(job("Stopped", id_="e")))
        for _ in range(2):
            ids, said = await whole(source.ended(REGION, SINCE))
            assert ids == {"a", "d", "e"}
            assert [(seen.key.id, seen.phase, seen.failed_workers) for seen in said] == [
                ("d", Phase.FAILED, 0),
                ("e", Phase.CANCELLED, 0),
                ("a", Phase.SUCCEEDED, 1),
            ]
            assert all(seen.ended and seen.restarts for seen in said)
            assert said[0].ended_at == datetime(2025, 1, 24, 7, 33, 0, 1, tzinfo=UTC)


def pages_of(service: Service, *minutes: list[int]) -> None:
    """Pages of finished jobs, by how many minutes ago each was created."""
    lists(service)
    for state in ("Failed", "Stopped"):
        service.on(f"State={state}", Answer(page().body, headers={"Date": ""}))
    for number, ages in enumerate(minutes):
        rows = [job("Finished", id_=f"p{number}-{at}", CreationTime=created(age)) for at, age in enumerate(ages)]
        marker = f"p{number + 1}" if number + 1 < len(minutes) else ""
        first = "Marker&MaxItemCount=100&OrderBy=CreationTime&State=Finished"
        answer = Answer(page(*rows, marker=marker).body, headers={"Date": ""})  # it does not say what time it is
        service.on(f"Marker=p{number}&" if number else first, answer)


@pytest.mark.parametrize(
    ("ages", "read"),
    [
        ([[1, 5], [9, 11], [12, 13], [14, 15]], 3),
        ([[1, 5], [13, 12], [14, 15], [16, 17]], 4),
        ([[11, 12], [1, 2]], 1),
        ([[20, 1], [30, 31], [40, 41]], 3),
        ([[], [11, 12], [13, 14]], 2),
    ],
)
async def test_how_far_back_it_reads(ages: list[list[int]], read: int) -> None:
    """Until a whole page was created before `since`, if the pages really came newest first; else to the end."""
    async with serving() as service, watching(service, reconcile_every="1ms") as source:
        pages_of(service, *ages)
        await whole(source.ended(REGION, SINCE))
        service.asked.clear()
        ids, _ = await whole(source.ended(REGION, SINCE))
    assert len(service.asked) == read + 2
    assert len(ids) == sum(map(len, ages[:read]))


async def test_once_an_hour_it_reads_everything() -> None:
    """A job of long ago may have been started again and ended: the first time, and each hour, all is read."""
    clock = Clock()
    async with serving() as service, watching(service, clock=clock, reconcile_every="1ms") as source:
        pages_of(service, [1, 2], [20, 30], [40, 50])
        counts = []
        for _ in range(5):
            service.asked.clear()
            await whole(source.ended(REGION, SINCE))
            counts.append(len(service.asked) - 2)
            clock.advance(minutes=25)
    assert counts == [3, 2, 2, 3, 2]


async def test_of_what_is_older_it_reads_as_much_as_costs_little() -> None:
    """A job of long ago may fail twice between two sweeps: one request in twenty is spent on finding that at once, and
    first on what failed."""
    async with serving() as service, watching(service, reconcile_every="60ms") as source:  # of sixty requests: three
        lists(service)
        for state in ("Failed", "Stopped", "Finished"):
            for number in range(4):
                old = job(state, id_=f"{state}-{number}", CreationTime=created(20 + number))
                answer = Answer(
                    page(old, marker=f"{state}-{number + 1}" if number < 3 else "").body, headers={"Date": ""}
                )
                marker = f"Marker={state}-{number}" if number else "Marker"
                service.on(f"{marker}&MaxItemCount=100&OrderBy=CreationTime&State={state}", answer)
        await whole(source.ended(REGION, SINCE))
        service.asked.clear()
        ids, said = await whole(source.ended(REGION, SINCE))
    assert ids == {"Failed-0", "Failed-1", "Failed-2", "Failed-3", "Stopped-0", "Finished-0"}
    assert [seen.phase for seen in said] == [*[Phase.FAILED] * 4, Phase.CANCELLED, Phase.SUCCEEDED]
    assert len(service.asked) == 6


async def test_a_whole_reading_that_failed_is_made_up_for() -> None:
    """It counts only when it came to its end."""
    async with serving() as service, watching(service) as source:
        pages_of(service, [1, 2], [20, 30], [40, 50])
        service.on("State=Stopped", Answer(status=500), Answer(page().body, headers={"Date": ""}))
        with pytest.raises(SourceError):
            await whole(source.ended(REGION, SINCE))
        service.asked.clear()
        await whole(source.ended(REGION, SINCE))
    assert len(service.asked) == 5


async def test_a_clock_that_is_behind_hides_nothing() -> None:
    """Times of creation are compared by our clock, as the answer's date tells it."""
    slow = {"Date": "Fri, 24 Jan 2025 06:34:21 GMT"}  # an hour behind
    async with serving() as service, watching(service) as source:
        lists(service)
        rows = [job("Finished", id_="a", CreationTime=created(61)), job("Finished", id_="b", CreationTime=created(62))]
        for state in ("Finished", "Failed", "Stopped"):
            service.on(f"State={state}", Answer(page().body, headers=slow))
        service.on("State=Finished", Answer(page(*rows, marker="c").body, headers=slow))
        service.on("Marker=c", Answer(page(job("Finished", id_="c", CreationTime=created(75))).body, headers=slow))
        for _ in range(2):
            ids, said = await whole(source.ended(REGION, SINCE))
            assert ids == {"a", "b", "c"}
    assert said[0].created_at == NOW - timedelta(minutes=1)
