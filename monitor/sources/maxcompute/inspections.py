"""Asks about one instance: how it stands, why it failed, and how far its stages are.

One request as a rule; one more for the text of a failure, and one for the stages of each task. Of a workflow one more
for its steps, and, when it has ended, one for each step whose end was not heard of.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial

from msgspec import Struct
from msgspec.structs import replace
from multidict import istr

from monitor.core.events import Gone, Seen
from monitor.core.model import Failure, InstanceKey, Phase, Task
from monitor.core.text import clip
from monitor.sources.base import Detail, Priority, Reason, SourceError
from monitor.sources.dates import ServiceClock, read_http_date
from monitor.sources.http import RefusedError, Reply
from monitor.sources.maxcompute.acceleration import Routes
from monitor.sources.maxcompute.calls import Calls
from monitor.sources.maxcompute.documents import (
    LONGEST_NAME,
    Progress,
    Step,
    TaskRow,
    read_progress,
    read_results,
    read_steps,
    read_task_status,
    split_id,
)
from monitor.sources.maxcompute.failures import read_failure, unread_failure
from monitor.sources.maxcompute.markup import malformed
from monitor.sources.maxcompute.memory import Memory
from monitor.sources.maxcompute.queries import Queries
from monitor.sources.maxcompute.words import TERMINATED, Vocabulary, decide
from monitor.sources.maxcompute.workflows import Workflows, step_failure
from monitor.sources.refusing import FINAL
from monitor.sources.unknown import LONGEST_WORD

_REMEMBERED = 32 * 2**20  # bytes of answers, for each of the two questions

_FINAL = FINAL - {Reason.MALFORMED}  # an answer that was cut off may be whole the next time

_OWNER, _START, _END = istr("x-odps-owner"), istr("x-odps-start-time"), istr("x-odps-end-time")


class _Standing(Struct, frozen=True, gc=False):
    """An instance as `?taskstatus` tells it. `rows` hold the tasks' whole names, in the order of `seen.tasks`."""

    seen: Seen
    rows: tuple[TaskRow, ...]


class Inspections:
    """All questions about single instances of one source."""

    def __init__(
        self,
        source: str,
        *,
        api: Routes,
        queries: Queries,
        calls: Calls,
        words: Vocabulary,
        workflows: Workflows,
        now: Callable[[], datetime],
        clock: ServiceClock,
    ) -> None:
        self._source = source
        self._api = api
        self._queries = queries
        self._calls = calls
        self._words = words
        self._workflows = workflows
        self._now = now
        self._ours = clock.ours
        self._standings: Memory[_Standing] = Memory(_REMEMBERED)
        self._progresses: Memory[Progress] = Memory(_REMEMBERED)

    async def inspect(self, key: InstanceKey, want: Detail, priority: Priority) -> Seen | Gone:
        """How it stands, and as much more as is wanted."""
        return await self._inspect(key, want, priority, ())

    async def _inspect(self, key: InstanceKey, want: Detail, priority: Priority, above: tuple[str, ...]) -> Seen | Gone:
        """`above` are the ids of the workflows for whose sake it is asked about."""
        try:
            _, query = split_id(key.id)
        except ValueError:
            return Gone(key, self._now())
        if query:
            return await self._queries.inspect(key, priority)
        try:
            standing = await self._standing(key, priority)
        except RefusedError as error:
            if _names_no_instance(error):
                return Gone(key, self._now())
            raise
        seen = self._workflows.placed(standing.seen)
        standing = _Standing(seen, standing.rows)
        if self._workflows.may_be(key, standing.rows):
            if want is Detail.PHASE:
                return replace(seen, tasks=None)  # its tasks are its steps, which nobody asked for
            steps = await self._steps(key, priority)
            if steps is not None:
                seen = await self._look_at_steps(standing, steps, want, priority, above)
                self._workflows.note(seen)
                return seen
        seen = await self._look(standing, want, priority)
        self._workflows.note(seen)
        return seen

    async def _look(self, standing: _Standing, want: Detail, priority: Priority) -> Seen:
        seen = standing.seen
        if want is Detail.PHASE:
            return seen
        if seen.phase is Phase.FAILED:
            return await self._explain(standing, want, priority)
        if want is Detail.STAGES:
            try:
                return await self._look_at_stages(standing, priority, _begun(seen))
            except RefusedError as error:
                if error.reason not in _FINAL:
                    raise
        return seen

    async def _steps(self, key: InstanceKey, priority: Priority) -> tuple[Step, ...] | None:
        """What it has started so far; None if it is no workflow."""
        try:
            steps = await self._api.ask(self._calls.steps(key), priority, lambda reply: read_steps(reply.body))
        except RefusedError as error:
            if error.reason not in _FINAL:
                raise
            self._workflows.is_none(key)
            return None
        if steps is not None:
            self._workflows.learn(key, steps)
        return steps

    async def _look_at_steps(
        self, standing: _Standing, steps: tuple[Step, ...], want: Detail, priority: Priority, above: tuple[str, ...]
    ) -> Seen:
        """The workflow as its steps stand. When it has ended, so have they: those that were last heard of before are
        asked about, or it would show them as running for ever."""
        seen = standing.seen
        failed = seen.phase is Phase.FAILED
        failure = None
        above = (*above, seen.key.id)
        for step in steps if seen.ended else ():
            key = replace(seen.key, id=step.id)
            last: Seen | Gone | None = self._workflows.last(key)
            if step.id not in above and _is_open(last):
                try:
                    last = await self._inspect(key, Detail.OUTCOME, priority, above)
                except SourceError as error:
                    if failed and error.reason not in _FINAL:
                        raise  # why it failed is worth another try
                    continue
            if failed and failure is None and isinstance(last, Seen) and last.phase is Phase.FAILED and last.failure:
                failure = step_failure(step, last.failure)
        if failed:
            failure = failure or await self._own_failure(standing, priority)
        seen = self._workflows.rolled_up(seen, steps)
        return replace(seen, failure=failure, stages_read=want is Detail.STAGES)

    async def _own_failure(self, standing: _Standing, priority: Priority) -> Failure:
        """What its first failed task says."""
        return await self._failure(standing.seen.key, standing.rows[_first_failed(standing.seen)].name, priority)

    async def _explain(self, standing: _Standing, want: Detail, priority: Priority) -> Seen:
        """Why it failed, and how far its stages were: the latter only if that can be had, the alert does not wait."""
        seen = standing.seen
        failed = _first_failed(seen)
        seen = replace(seen, failure=await self._own_failure(standing, priority))
        standing = _Standing(seen, standing.rows)
        try:
            return await self._look_at_stages(standing, priority, _begun(seen) if want is Detail.STAGES else (failed,))
        except SourceError:
            return seen

    async def _standing(self, key: InstanceKey, priority: Priority) -> _Standing:
        standing = await self._api.ask(self._calls.task_status(key), priority, partial(self._read_standing, key))
        if standing.seen.native_status:
            return standing
        read = partial(self._read_status, key, standing.rows)
        return await self._api.ask(self._calls.status(key), priority, read)

    async def _failure(self, key: InstanceKey, task: str, priority: Priority) -> Failure:
        try:
            texts = await self._api.ask(self._calls.results(key), priority, lambda reply: read_results(reply.body))
        except SourceError as error:
            if error.reason in _FINAL or error.reason is Reason.MALFORMED:
                return unread_failure(task, str(error))
            raise
        return read_failure(task, texts.get(task, ""))

    async def _look_at_stages(self, standing: _Standing, priority: Priority, which: Iterable[int]) -> Seen:
        seen = standing.seen
        tasks = list(seen.tasks or ())
        for number in which:
            name = standing.rows[number].name
            call = self._calls.progress(seen.key, name)
            progress = await self._api.ask(call, priority, partial(self._read_progress, seen.key, name))
            tasks[number] = replace(tasks[number], stages=progress.stages)
            if seen.ended:
                self._progresses.forget((seen.key.project, seen.key.id, name))
        return replace(seen, tasks=tuple(tasks), stages_read=True)

    def _read_standing(self, key: InstanceKey, reply: Reply) -> _Standing:
        headers = reply.headers
        owner, start, end = headers.get(_OWNER, ""), headers.get(_START, ""), headers.get(_END, "")

        def make() -> _Standing:
            told = read_task_status(reply.body)
            return self._stand(key, told.status, told.tasks, reply)

        standing = self._standings.read((key.project, key.id), (reply.body, owner, start, end), make)
        if standing.seen.ended:  # thousands end in a day, and hardly one is asked about again
            self._standings.forget((key.project, key.id))
        if standing.seen.at is reply.at:
            return standing
        return _Standing(replace(standing.seen, at=reply.at), standing.rows)

    def _read_status(self, key: InstanceKey, rows: tuple[TaskRow, ...], reply: Reply) -> _Standing:
        told = read_task_status(reply.body)
        if not told.status:
            raise malformed("the answer holds no <Status>")
        return self._stand(key, told.status, rows or told.tasks, reply)

    def _read_progress(self, key: InstanceKey, task: str, reply: Reply) -> Progress:
        progress = self._progresses.read((key.project, key.id, task), (reply.body,), lambda: read_progress(reply.body))
        reply.skipped = progress.skipped
        return progress

    def _stand(self, key: InstanceKey, native: str, rows: tuple[TaskRow, ...], reply: Reply) -> _Standing:
        status = self._words.instance(native)
        ended = status == TERMINATED
        tasks = tuple(
            Task(
                name=clip(row.name, LONGEST_NAME),
                type=clip(row.type, LONGEST_NAME),
                phase=self._words.task(row.status),
                started_at=self._ours(row.started_at),
                ended_at=self._ours(row.ended_at),
            )
            for row in rows
        )
        last = self._ours(read_http_date(reply.headers.get(_END, ""))) or max(
            (task.ended_at for task in tasks if task.ended_at), default=None
        )
        seen = Seen(
            key=key,
            at=reply.at,
            kind="maxcompute",
            phase=decide(status, [task.phase for task in tasks]),
            native_status=clip(native, LONGEST_WORD),
            owner=clip(reply.headers.get(_OWNER, ""), LONGEST_NAME),
            created_at=self._ours(read_http_date(reply.headers.get(_START, ""))),
            started_at=min((task.started_at for task in tasks if task.started_at), default=None),
            ended_at=last if ended else None,
            tasks=tasks,
            ended=ended,
        )
        return _Standing(seen, rows)


def _names_no_instance(error: RefusedError) -> bool:
    """A 404 without a code is not the service's own, and one about the project says nothing of the instance."""
    return error.status == 404 and error.code not in {"", "NoSuchProject"}


def _first_failed(seen: Seen) -> int:
    return next(at for at, task in enumerate(seen.tasks or ()) if task.phase is Phase.FAILED)


def _is_open(last: Seen | Gone | None) -> bool:
    """Whether there is more to learn about a step of a workflow that has ended."""
    if not isinstance(last, Seen) or last.phase is None or last.phase.is_live:
        return True
    return last.phase is Phase.FAILED and last.failure is None


def _begun(seen: Seen) -> tuple[int, ...]:
    """Which tasks can have stages."""
    return tuple(at for at, task in enumerate(seen.tasks or ()) if task.phase is not Phase.WAITING)
