"""Carries SQL instances through: compiles and runs the query in worker threads, and gives the instance its plan.

The query takes effect as soon as a thread is free; the stages then act out, in emulated time, what a cluster would
have needed. A result that comes later than the plan's end holds the plan up.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import inf, isfinite
from random import Random
from typing import TypeVar

from monitor.emulator.instances import Book, Instance, Result
from monitor.emulator.plan import Outcome, Part, Plan, at_once, lay_out
from monitor.emulator.sql.engine import Compiled, Engine, Watch
from monitor.emulator.sql.errors import SqlError, semantic_error
from monitor.emulator.sql.script import read_script
from monitor.emulator.sql.shape import parts_of

PENDING = Plan(wait=inf, ends=inf)  # until the compiler has looked at the query
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Draft:
    compiled: Compiled
    plan: Plan


class SqlJobs:
    """Runs the queries of instances. `limit` is the number of real seconds that one may take."""

    def __init__(self, book: Book, engine: Engine, tasks: asyncio.TaskGroup, *, limit: float) -> None:
        self._book = book
        self._engine = engine
        self._tasks = tasks
        self._limit = limit
        self._watches: dict[str, Watch] = {}
        # Two pools, so that long queries do not keep others from being compiled.
        self._compilers = ThreadPoolExecutor(2, "emulator-compile")
        self._runners = ThreadPoolExecutor(8, "emulator-sql")

    def start(self, instance: Instance) -> None:
        """Begins to work on an instance that was submitted with the plan PENDING."""
        watch = self._watches[instance.id] = Watch(self._limit)
        self._tasks.create_task(self._carry(instance, watch))

    def stop(self, instance: Instance) -> None:
        """Makes its query give up, if it still runs."""
        if watch := self._watches.get(instance.id):
            watch.cancel()

    async def close(self) -> None:
        """Stops all queries and waits for the threads."""
        for watch in self._watches.values():
            watch.cancel()
        for pool in (self._compilers, self._runners):
            await asyncio.to_thread(pool.shutdown, wait=True, cancel_futures=True)

    async def _carry(self, instance: Instance, watch: Watch) -> None:
        book = self._book
        try:
            draft = await self._in(self._compilers, self._draft, instance, Random(book.chance.random()))  # noqa: S311 - plays
            if not instance.stopped:
                book.revise(instance, draft.plan.held())
            await self._run(instance, draft, watch)
        except SqlError as error:
            if not instance.stopped:
                book.revise(instance, at_once(book.elapsed(instance), Outcome.FAILED), Result(str(error)))
        except Exception as error:
            logging.getLogger(__name__).exception("instance %s", instance.id)
            text = f"the emulator failed: {type(error).__name__}"
            book.revise(
                instance, at_once(book.elapsed(instance), Outcome.FAILED), Result(str(SqlError("ODPS-0010000", text)))
            )
        finally:
            del self._watches[instance.id]

    async def _run(self, instance: Instance, draft: _Draft, watch: Watch) -> None:
        book, plan = self._book, draft.plan
        try:
            answer = await self._in(self._runners, self._engine.run, draft.compiled, watch)
        except SqlError as error:
            if not instance.stopped:
                share = book.chance.uniform(0.3, 0.9)
                fails = max(book.elapsed(instance), plan.wait + share * (plan.ends - plan.wait))
                book.revise(instance, plan.cut(fails, Outcome.FAILED), Result(str(error)))
        else:
            if not instance.stopped:
                book.revise(instance, plan.ending(book.elapsed(instance)), Result(answer.text, answer.format))

    def _draft(self, instance: Instance, chance: Random) -> _Draft:
        script = read_script(instance.job.query)
        settings = {**instance.job.settings, **script.settings}
        compiled = self._engine.compile(instance.project, script, instance.owner)
        parts = parts_of(script, settings, chance)
        return _Draft(compiled, _paced(parts, settings, chance))

    async def _in(self, pool: ThreadPoolExecutor, work: Callable[..., _T], *arguments: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(pool, work, *arguments)


def _paced(parts: tuple[Part, ...], settings: Mapping[str, str], chance: Random) -> Plan:
    """The plan for these stages: a few seconds, or what `emulator.seconds` and `emulator.wait` in the settings say."""
    seconds = _number(settings, "emulator.seconds")
    wait = _number(settings, "emulator.wait")
    if seconds is None:
        seconds = chance.uniform(2.0, 3.0) + 0.7 * len(parts) if parts else 0.5
    if wait is None:
        wait = min(0.5, seconds * 0.1)
    else:
        seconds += wait
    return lay_out(parts, wait=wait, seconds=seconds, queue=chance.randint(1, 12), records=chance.randint(10, 10_000))


def _number(settings: Mapping[str, str], key: str) -> float | None:
    if key not in settings:
        return None
    try:
        number = float(settings[key])
    except ValueError:
        number = inf
    if not (isfinite(number) and number > 0):
        raise semantic_error(f"setting {key} must be a number of seconds above 0, not '{settings[key]}'")
    return number
