"""What every source driver promises, see `monitor/sources/base.py`. Each test runs over each driver and its service.

A driver joins with a ground: its service on this machine, where instances meet the fate they are given.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest
from aiohttp import ClientSession

from monitor.core.events import Gone, Seen
from monitor.core.model import LIVE, InstanceKey, Phase
from monitor.emulator.server import Emulator, EmulatorOptions, serve
from monitor.sources.base import (
    Check,
    Detail,
    NotOfferedError,
    Page,
    Priority,
    Reason,
    RequestReport,
    Source,
    SourceError,
)
from monitor.sources.batchcompute import BatchComputeSection, BatchComputeSource
from monitor.sources.maxcompute import MaxComputeSection, MaxComputeSource

pytestmark = pytest.mark.asyncio

KEY, WRONG_KEY = "demo-secret", "made-up-wrong-key"
TEXT = "ODPS-0123131:User defined function exception - made up"


class Ground(Protocol):
    """A service to try a driver on. Time stands still but for `begin`, which lets each fate come about.

    job        a description that it takes; None of a service that takes none, and restarts nothing
    has_pages  whether it has a page about each instance
    rights     what an examination calls each right, and the operation of the service that takes it
    """

    project: str
    reports: list[RequestReport]
    unknown_id: str
    job: Mapping[str, Any] | None
    has_pages: bool
    rights: Mapping[str, str]

    def source(
        self, *, wrong_key: bool = False, nobody_there: bool = False, key_file: Path | None = None
    ) -> AbstractAsyncContextManager[Source]:
        """A driver, closed when the block ends; perhaps with a wrong key, with the key in a file, or where nobody
        listens."""
        ...

    async def begin(self, *fates: Phase) -> list[InstanceKey]:
        """Instances that stand so, in this order; failed ones leave TEXT."""
        ...

    async def spoil(self, fault: str, **setting: Any) -> None:
        """From now on this goes wrong with the service."""
        ...


# --- grounds ----------------------------------------------------------------------------------------------------------

INSTANCES: dict[Phase, dict[str, Any]] = {
    Phase.WAITING: {"wait": 100_000},
    Phase.RUNNING: {"wait": 0, "seconds": 1_500},
    Phase.SUSPENDED: {"wait": 0, "seconds": 1_000, "scenario": "suspended"},
    Phase.SUCCEEDED: {"wait": 0, "seconds": 10},
    Phase.FAILED: {"wait": 0, "seconds": 10, "outcome": "failed", "message": TEXT},
    Phase.CANCELLED: {"wait": 0, "seconds": 10, "outcome": "cancelled"},
}
JOBS: dict[Phase, dict[str, Any]] = {
    Phase.WAITING: {"wait": 100_000},
    Phase.RUNNING: {"wait": 0, "seconds": 1_500},
    Phase.SUCCEEDED: {"wait": 1, "seconds": 10, "tasks": 3},
    Phase.FAILED: {"wait": 0, "seconds": 10, "outcome": "failed", "message": TEXT},
    Phase.CANCELLED: {"wait": 0, "seconds": 10, "outcome": "stopped"},
}
JOB = {
    "Name": "contract",
    "Type": "DAG",
    "Priority": 0,
    "JobFailOnInstanceFail": True,
    "DAG": {
        "Tasks": {
            "one": {
                "InstanceCount": 1,
                "AutoCluster": {"InstanceType": "ecs.sn1.medium", "ImageId": "img-ubuntu"},
                "Parameters": {
                    "Command": {"CommandLine": "true", "PackagePath": ""},
                    "StdoutRedirectPath": "oss://contract/logs/",
                    "StderrRedirectPath": "oss://contract/logs/",
                },
            }
        }
    },
}


@dataclass
class Emulated:
    """The emulator, with its levers."""

    emulator: Emulator
    session: ClientSession
    reports: list[RequestReport]

    async def _control(self, lever: str, body: dict[str, Any]) -> Any:
        async with self.session.post(f"{self.emulator.url}/-/emulator/{lever}", json=body) as answer:
            assert answer.status in {200, 201}, await answer.text()
            return await answer.json()

    async def spoil(self, fault: str, **setting: Any) -> None:
        await self._control("faults", {"fault": fault, **setting})

    async def _begin(self, lever: str, recipes: list[dict[str, Any]]) -> list[str]:
        made = [await self._control(lever, recipe) for recipe in recipes]
        await self._control("clock", {"advance": 600})
        return [one["ids"][0] for one in made]

    def _section(self, **own: Any) -> dict[str, Any]:
        return {"name": "warehouse", "access_id": "me", "requests_per_second": 1000, **own}


@dataclass
class MaxComputeGround(Emulated):
    """The emulator of MaxCompute."""

    project: str = "demo"
    unknown_id: str = "20010101000000000gnobody000"
    job: Mapping[str, Any] | None = None
    has_pages: bool = True
    rights: Mapping[str, str] = field(
        default_factory=lambda: {
            "odps:List on instances": "list",
            "odps:List on cachedinstances": "cachedinstances",
            "odps:Read on an instance": "taskstatus",
            "LogView of an instance": "authorization",
        }
    )

    @asynccontextmanager
    async def source(
        self, *, wrong_key: bool = False, nobody_there: bool = False, key_file: Path | None = None
    ) -> AsyncIterator[Source]:
        data = self._section(
            type="maxcompute",
            endpoint="http://127.0.0.1:9/api" if nobody_there else self.emulator.endpoint,
            projects=[self.project],
            access_key={"file": str(key_file)} if key_file else WRONG_KEY if wrong_key else KEY,
        )
        section = MaxComputeSection.model_validate(data)
        source = MaxComputeSource(section, now=now, report=self.reports.append, jitter=lambda: 0.0)
        try:
            yield source
        finally:
            await source.aclose()

    async def begin(self, *fates: Phase) -> list[InstanceKey]:
        ids = await self._begin("instances", [INSTANCES[fate] for fate in fates])
        return [InstanceKey("warehouse", self.project, id_) for id_ in ids]


@dataclass
class BatchComputeGround(Emulated):
    """The emulator of Batch Compute."""

    project: str = "cn-qingdao"
    unknown_id: str = "job-00000000000000000000000000000000"
    job: Mapping[str, Any] | None = field(default_factory=lambda: JOB)
    has_pages: bool = False
    rights: Mapping[str, str] = field(
        default_factory=lambda: {
            name: name for name in ("ListJobs", "GetJob", "GetJobDescription", "ListTasks", "ListInstances")
        }
    )

    @asynccontextmanager
    async def source(
        self, *, wrong_key: bool = False, nobody_there: bool = False, key_file: Path | None = None
    ) -> AsyncIterator[Source]:
        data = self._section(
            type="batchcompute",
            endpoint="http://127.0.0.1:9" if nobody_there else self.emulator.url,
            region=self.project,
            access_key={"file": str(key_file)} if key_file else WRONG_KEY if wrong_key else KEY,
        )
        section = BatchComputeSection.model_validate(data)
        source = BatchComputeSource(section, now=now, report=self.reports.append, jitter=lambda: 0.0)
        try:
            yield source
        finally:
            await source.aclose()

    async def begin(self, *fates: Phase) -> list[InstanceKey]:
        ids = await self._begin("jobs", [JOBS[fate] for fate in fates])
        return [InstanceKey("warehouse", self.project, id_) for id_ in ids]


@asynccontextmanager
async def maxcompute() -> AsyncIterator[Ground]:
    """The emulator, its clock stopped."""
    async with serve(EmulatorOptions(speed=0)) as emulator, ClientSession() as session:
        yield MaxComputeGround(emulator, session, [])


@asynccontextmanager
async def batchcompute() -> AsyncIterator[Ground]:
    """The emulator, its clock stopped."""
    async with serve(EmulatorOptions(speed=0)) as emulator, ClientSession() as session:
        yield BatchComputeGround(emulator, session, [])


def now() -> datetime:
    """The clock that the service goes by as well."""
    return datetime.now(UTC)  # noqa: TID251 - the service judges signatures by the wall clock


Open = Callable[[], AbstractAsyncContextManager[Ground]]

FATES: dict[Open, tuple[Phase, ...]] = {maxcompute: tuple(INSTANCES), batchcompute: tuple(JOBS)}
EVERY_FATE = [(opened, fate) for opened, fates in FATES.items() for fate in fates]


@pytest.fixture(params=FATES)
def opened(request: pytest.FixtureRequest) -> Open:
    """A driver's ground."""
    ground: Open = request.param
    return ground


# --- listings ---------------------------------------------------------------------------------------------------------


async def whole(listing: AsyncIterator[Page]) -> tuple[set[str], dict[str, Seen]]:
    """All ids that were named, and the last that was said by id."""
    ids: set[str] = set()
    said: dict[str, Seen] = {}
    async for page in listing:
        ids.update(page.ids)
        said.update({seen.key.id: seen for seen in page.seen})
    return ids, said


async def test_a_sweep_names_all_that_is_live_and_nothing_else(opened: Open) -> None:
    """Waiting, running and suspended instances are named, ended ones are not; what is said of each fits."""
    async with opened() as ground, ground.source() as source:
        keys = await ground.begin(*FATES[opened])
        ids, said = await whole(source.sweep(ground.project))
    live = [key.id for key, fate in zip(keys, FATES[opened], strict=True) if fate in LIVE]
    assert ids == set(live)
    for key, fate in zip(keys, FATES[opened], strict=True):
        if fate in LIVE:
            seen = said[key.id]
            assert (seen.key, seen.kind, seen.ended) == (key, source.kind, False)
            assert seen.phase in {fate, None}
            assert seen.created_at is None or abs(seen.created_at - now()) < timedelta(minutes=1)
            assert seen.progress is None or 0 <= seen.progress <= 1


async def test_a_second_sweep_names_all_and_tells_what_changed(opened: Open) -> None:
    """Nothing moved: all are named again. Something began: it is told, the others need not be."""
    async with opened() as ground, ground.source() as source:
        first = await ground.begin(Phase.WAITING, Phase.WAITING)
        ids, _ = await whole(source.sweep(ground.project))
        again, _ = await whole(source.sweep(ground.project))
        (more,) = await ground.begin(Phase.RUNNING)
        third, said = await whole(source.sweep(ground.project))
    assert ids == again == {key.id for key in first}
    assert third == {*ids, more.id}
    assert said[more.id].key == more


async def test_an_empty_project(opened: Open) -> None:
    """Nothing is live and nothing has ended: both listings end without an error."""
    async with opened() as ground, ground.source() as source:
        assert await whole(source.sweep(ground.project)) == (set(), {})
        assert await whole(source.ended(ground.project, now() - timedelta(hours=1))) == (set(), {})


async def test_more_than_a_page(opened: Open) -> None:
    """However many pages it takes, every instance is named once the listing is through."""
    async with opened() as ground, ground.source() as source:
        keys = await ground.begin(*[Phase.WAITING] * 1_001)
        ids, said = await whole(source.sweep(ground.project))
    assert ids == {key.id for key in keys} == set(said)


async def test_what_ended_is_listed_every_time(opened: Open) -> None:
    """All that ended since is told as ended, also the second time; what is live is not."""
    async with opened() as ground, ground.source() as source:
        since = now() - timedelta(minutes=1)
        keys = await ground.begin(*FATES[opened])
        for _ in range(2):
            ids, said = await whole(source.ended(ground.project, since))
            over = {key.id for key, fate in zip(keys, FATES[opened], strict=True) if fate not in LIVE}
            assert ids == over
            assert {id_ for id_, seen in said.items() if seen.ended or (seen.phase and seen.phase.is_terminal)} == over


# --- inspections ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("opened", "fate"), EVERY_FATE)
@pytest.mark.parametrize("want", Detail)
async def test_every_fate_is_told(opened: Open, fate: Phase, want: Detail) -> None:
    """An inspection tells the phase, and more than that the tasks; of a failure the text."""
    async with opened() as ground, ground.source() as source:
        (key,) = await ground.begin(fate)
        began = now()
        seen = await source.inspect(key, want, Priority.WATCHED)
    assert isinstance(seen, Seen)
    assert (seen.key, seen.phase, seen.kind) == (key, fate, source.kind)
    assert began <= seen.at <= now()
    assert seen.ended or fate in LIVE
    assert seen.tasks or want is Detail.PHASE or (want is Detail.OUTCOME and not seen.ended)
    if fate is Phase.FAILED and want is not Detail.PHASE:
        assert seen.failure is not None
        assert TEXT in seen.failure.message
        assert seen.failure.code
        assert seen.failure.task in {task.name for task in seen.tasks or ()}
    else:
        assert seen.failure is None


async def test_stages_are_read_when_they_are_wanted(opened: Open) -> None:
    """Of a running instance every task's stages, with numbers that can be; without the wish none."""
    async with opened() as ground, ground.source() as source:
        (key,) = await ground.begin(Phase.RUNNING)
        seen = await source.inspect(key, Detail.STAGES, Priority.WATCHED)
        short = await source.inspect(key, Detail.PHASE, Priority.WATCHED)
    assert isinstance(seen, Seen)
    assert isinstance(short, Seen)
    assert seen.stages_read
    stages = [stage for task in seen.tasks or () for stage in task.stages]
    assert stages
    for stage in stages:
        assert 0 <= stage.terminated <= stage.total
        assert 0 <= stage.running <= stage.total + stage.backups
        assert stage.percent is None or 0 <= stage.percent <= 100
    assert not short.stages_read
    assert not any(task.stages for task in short.tasks or ())


async def test_times_are_in_order(opened: Open) -> None:
    """Submitted, begun, ended, all aware and in UTC."""
    async with opened() as ground, ground.source() as source:
        (key,) = await ground.begin(Phase.SUCCEEDED)
        seen = await source.inspect(key, Detail.OUTCOME, Priority.OUTCOME)
    assert isinstance(seen, Seen)
    times = [moment for moment in (seen.created_at, seen.started_at, seen.ended_at) if moment is not None]
    assert seen.ended_at is not None
    assert times == sorted(times)
    assert all(moment.tzinfo is UTC for moment in times)


@pytest.mark.parametrize("want", Detail)
async def test_what_the_service_does_not_know_is_gone(opened: Open, want: Detail) -> None:
    """That is an observation. So is an id that nobody could have made."""
    async with opened() as ground, ground.source() as source:
        for id_ in (ground.unknown_id, "a/../b?c=d%00", "中文 \n", "x" * 10_000):
            key = InstanceKey("warehouse", ground.project, id_)
            gone = await source.inspect(key, want, Priority.WATCHED)
            assert isinstance(gone, Gone)
            assert gone.key == key


# --- what people ask for ----------------------------------------------------------------------------------------------


async def test_a_stop_stops_and_a_second_one_is_a_conflict(opened: Open) -> None:
    """The end is observed after the request; an instance that has ended cannot be stopped."""
    async with opened() as ground, ground.source() as source:
        (key,) = await ground.begin(Phase.RUNNING)
        await source.stop(key)
        await ground.begin()
        seen = await source.inspect(key, Detail.OUTCOME, Priority.OUTCOME)
        assert isinstance(seen, Seen)
        assert seen.phase is Phase.CANCELLED
        with pytest.raises(SourceError) as caught:
            await source.stop(key)
    assert caught.value.reason is Reason.CONFLICT


async def test_results_by_task(opened: Open) -> None:
    """Of what succeeded something about each task, of what failed the failure's text."""
    async with opened() as ground, ground.source() as source:
        succeeded, failed = await ground.begin(Phase.SUCCEEDED, Phase.FAILED)
        fine = await source.results(succeeded)
        text = await source.results(failed)
        seen = await source.inspect(succeeded, Detail.STAGES, Priority.WATCHED)
    assert isinstance(seen, Seen)
    assert set(fine) == {task.name for task in seen.tasks or ()}
    assert all(fine.values())
    assert len(text) == 1
    assert all(TEXT in one for one in text.values())


async def test_an_address_of_the_services_page(opened: Open) -> None:
    """It can be opened, and names the instance; a service without such a page says where else to look."""
    async with opened() as ground, ground.source() as source, ClientSession() as session:
        (key,) = await ground.begin(Phase.RUNNING)
        if ground.has_pages:
            address = await source.logview(key, 24)
            assert key.id in address
            async with session.get(address) as page:
                assert page.status == 200
        else:
            with pytest.raises(NotOfferedError, match=key.id):
                await source.logview(key, 24)


async def test_a_restart_runs_what_failed_again(opened: Open) -> None:
    """It is live under the same key and cannot be restarted once more; a service that never does this says so."""
    async with opened() as ground, ground.source() as source:
        failed, running = await ground.begin(Phase.FAILED, Phase.RUNNING)
        if ground.job is None:
            for key in (failed, running):
                with pytest.raises(NotOfferedError):
                    await source.restart(key)
            return
        reason = await outcome(source.restart(failed))
        seen = await source.inspect(failed, Detail.PHASE, Priority.WATCHED)
        twice = await outcome(source.restart(failed))
        never = await outcome(source.restart(running))
    assert isinstance(seen, Seen)
    assert (reason, twice, never) == (None, Reason.CONFLICT, Reason.CONFLICT)
    assert seen.phase in LIVE
    assert seen.restarts


async def test_a_submission_makes_an_instance_once(opened: Open) -> None:
    """The same token again gives the same key, another one another; a service that takes no jobs says so."""
    async with opened() as ground, ground.source() as source:
        if ground.job is None:
            with pytest.raises(NotOfferedError):
                await source.submit(ground.project, {"Name": "x"}, "token-1")
            return
        tokens = ("token-1", "token-1", "token-2", "")
        keys = [await source.submit(ground.project, ground.job, token) for token in tokens]
        seen = await source.inspect(keys[0], Detail.STAGES, Priority.WATCHED)
    assert isinstance(seen, Seen)
    assert (keys[0] == keys[1], len(set(keys))) == (True, 3)
    assert (keys[0].source, keys[0].project, seen.name) == (source.name, ground.project, ground.job["Name"])
    assert [task.name for task in seen.tasks or ()] == list(ground.job["DAG"]["Tasks"])


# --- trouble ----------------------------------------------------------------------------------------------------------

ASKS: dict[str, Callable[[Source, InstanceKey], Any]] = {
    "sweep": lambda source, key: whole(source.sweep(key.project)),
    "ended": lambda source, key: whole(source.ended(key.project, now() - timedelta(hours=1))),
    "inspect": lambda source, key: source.inspect(key, Detail.STAGES, Priority.WATCHED),
    "stop": lambda source, key: source.stop(key),
    "results": lambda source, key: source.results(key),
    "logview": lambda source, key: source.logview(key, 24),
}


@pytest.mark.parametrize("ask", ASKS)
async def test_a_wrong_key(opened: Open, ask: str) -> None:
    """Every question says `unauthorized`, and no message holds the key."""
    async with opened() as ground, ground.source(wrong_key=True) as source:
        (key,) = await ground.begin(Phase.RUNNING)
        with pytest.raises(SourceError) as caught:
            await ASKS[ask](source, key)
    assert caught.value.reason is Reason.UNAUTHORIZED
    assert WRONG_KEY not in str(caught.value)
    assert "warehouse" in str(caught.value)


@pytest.mark.parametrize("ask", ASKS)
async def test_a_key_that_was_renewed(opened: Open, ask: str, tmp_path: Path) -> None:
    """Whatever the first question is, it is answered: the file is read again once the old key was refused."""
    (file := tmp_path / "key").write_text(WRONG_KEY)
    async with opened() as ground, ground.source(key_file=file) as source:
        (key,) = await ground.begin(Phase.RUNNING)
        file.write_text(KEY)
        answered = None if ask != "logview" or ground.has_pages else Reason.REJECTED
        assert await outcome(ASKS[ask](source, key)) is answered
    first, *others = (report.result for report in ground.reports)
    assert first == Reason.UNAUTHORIZED
    assert set(others) == {"ok"}


@pytest.mark.parametrize("ask", ASKS)
async def test_nobody_there(opened: Open, ask: str) -> None:
    """Every question says `unreachable`."""
    async with opened() as ground, ground.source(nobody_there=True) as source:
        key = InstanceKey("warehouse", ground.project, ground.unknown_id)
        with pytest.raises(SourceError) as caught:
            await ASKS[ask](source, key)
    assert caught.value.reason is Reason.UNREACHABLE


@pytest.mark.parametrize("ask", ASKS)
async def test_a_project_that_is_not_configured(opened: Open, ask: str) -> None:
    """Every question says `not_found` without asking, and how to mend it."""
    async with opened() as ground, ground.source() as source:
        with pytest.raises(SourceError, match="projects") as caught:
            await ASKS[ask](source, InstanceKey("warehouse", "elsewhere", ground.unknown_id))
        assert ground.reports == []
    assert caught.value.reason is Reason.NOT_FOUND


@pytest.mark.parametrize("ask", ["stop", "results"])
async def test_nothing_to_act_upon(opened: Open, ask: str) -> None:
    """What the service does not know cannot be stopped and has no results."""
    async with opened() as ground, ground.source() as source:
        with pytest.raises(SourceError) as caught:
            await ASKS[ask](source, InstanceKey("warehouse", ground.project, ground.unknown_id))
    assert caught.value.reason is Reason.NOT_FOUND


# --- examinations -----------------------------------------------------------------------------------------------------


async def examined(source: Source, project: str) -> dict[str, Check]:
    """Every check by its name; none twice, each failed one with a fix, none with a secret in it."""
    checks = [check async for check in source.examine(project)]
    assert len({check.name for check in checks}) == len(checks)
    for check in checks:
        assert check.detail
        assert bool(check.fix) is (check.ok is False)
        assert "demo-secret" not in check.detail
        assert "made-up-wrong-key" not in check.detail
    return {check.name: check for check in checks}


def failed(checks: Mapping[str, Check]) -> list[str]:
    """What is not as it should be."""
    return [check.name for check in checks.values() if check.ok is False]


async def test_a_good_account_has_all_that_it_takes(opened: Open) -> None:
    """Each right is tried on a real instance; what would change something is not tried, and says so."""
    async with opened() as ground, ground.source() as source:
        await ground.begin(Phase.RUNNING)
        checks = await examined(source, ground.project)
        changing = [name for name, check in checks.items() if check.ok is None]
        assert failed(checks) == []
        assert [*checks] == ["address", "tls", "clock", "credentials", *ground.rights, *changing]
        assert len(changing) == 1
        assert "access id me" in checks["credentials"].detail


async def test_an_empty_project_can_be_examined(opened: Open) -> None:
    """What needs an instance is not tried; an instance that has ended will do."""
    async with opened() as ground, ground.source() as source:
        first, *others = ground.rights
        checks = await examined(source, ground.project)
        assert failed(checks) == []
        assert checks[first].ok is True
        assert any(checks[name].ok is None for name in others)
        await ground.begin(Phase.SUCCEEDED)
        checks = await examined(source, ground.project)
        assert all(checks[name].ok for name in ground.rights)


async def test_an_examination_with_a_wrong_key(opened: Open) -> None:
    """It ends there: no right can be tried."""
    async with opened() as ground, ground.source(wrong_key=True) as source:
        checks = await examined(source, ground.project)
    assert failed(checks) == ["credentials"]
    assert [*checks] == ["address", "tls", "clock", "credentials"]
    assert "access_key" in checks["credentials"].fix


async def test_an_examination_where_nobody_listens(opened: Open) -> None:
    """It ends at the first check, which names host and port."""
    async with opened() as ground, ground.source(nobody_there=True) as source:
        checks = await examined(source, ground.project)
    assert failed(checks) == [*checks] == ["address"]
    assert "no connection to 127.0.0.1 on port 9" in checks["address"].detail


@pytest.mark.parametrize("offset", [7200, -7200])
async def test_an_examination_by_a_clock_that_is_wrong(opened: Open, offset: float) -> None:
    """It says by how much, and goes on: the difference is reckoned with."""
    async with opened() as ground, ground.source() as source:
        await ground.begin(Phase.RUNNING)
        await ground.spoil("clock_skew", offset=offset)
        checks = await examined(source, ground.project)
    assert failed(checks) == ["clock"]
    assert checks["clock"].detail.split(" s ")[1] == (
        "behind the service's" if offset > 0 else "ahead of the service's"
    )
    assert abs(float(checks["clock"].detail.split()[0]) - 7200) < 60
    assert checks["credentials"].ok


async def test_each_right_that_is_missing_is_named(opened: Open) -> None:
    """That one fails, with what to grant; what can be tried without it is tried."""
    async with opened() as ground, ground.source() as source:
        await ground.begin(Phase.RUNNING)
        for name, operation in ground.rights.items():
            await ground.spoil("forbidden", operations=[operation])
            checks = await examined(source, ground.project)
            assert failed(checks) == [name]
            assert "HTTP 403" in checks[name].detail
            assert checks["credentials"].ok
            assert set(ground.rights) <= set(checks)


@pytest.mark.parametrize("fault", ["bad_gateway", "internal_error", "too_many_requests", "truncated", "wrong_content"])
async def test_an_examination_of_a_service_in_trouble(opened: Open, fault: str) -> None:
    """Whatever answers: it is told in words and never raised."""
    async with opened() as ground, ground.source() as source:
        await ground.spoil(fault)
        checks = await examined(source, ground.project)
    assert checks["address"].ok
    assert len(failed(checks)) == 1


async def test_every_request_is_reported(opened: Open) -> None:
    """With the source's name, a word of a small set, and how it went."""
    async with opened() as ground, ground.source() as source:
        (key,) = await ground.begin(Phase.FAILED)
        for ask in ASKS.values():
            reason = await outcome(ask(source, key))
            assert ground.reports[-1].result == (reason or "ok") or reason is Reason.REJECTED
        assert {report.source for report in ground.reports} == {"warehouse"}
        assert {report.result for report in ground.reports} <= {"ok", *Reason}
        assert all(report.operation.isalpha() and report.seconds > 0 for report in ground.reports)
        assert len(ground.reports) >= len(ASKS)


async def outcome(asked: Awaitable[object]) -> Reason | None:
    """Why it was refused, or None of an answer."""
    try:
        await asked
    except SourceError as error:
        return error.reason
    return None
