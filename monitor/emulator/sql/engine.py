"""Runs SQL: one sqlite database per project, a connection per query, every query bounded in time and stoppable.

All methods block; call them from worker threads.
"""

import csv
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path

from monitor.emulator.sql import aggregates, functions
from monitor.emulator.sql.answers import Answer, render
from monitor.emulator.sql.dialect import Translation
from monitor.emulator.sql.errors import SqlError, table_not_found
from monitor.emulator.sql.failures import compile_failure, run_failure
from monitor.emulator.sql.lexer import Token
from monitor.emulator.sql.prepare import Prepared, prepare
from monitor.emulator.sql.script import Script, Verb
from monitor.emulator.sql.tables import About, Column, declared_type, describe

SAMPLE = "pyodps_iris"
_SAMPLE_COLUMNS = (
    *(Column(name, "double") for name in ("sepallength", "sepalwidth", "petallength", "petalwidth")),
    Column("name", "string"),
)
_MAX_PAGES = 32_768  # 128 MiB a project
_MAX_VALUE_BYTES = 10_000_000
_STEPS_BETWEEN_LOOKS = 2_000  # of sqlite's machine: some 0.1 ms
_UNEXPECTED = (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError, MemoryError, RecursionError)


class Watch:
    """Tells a running query when to give up: when somebody calls `cancel`, or `seconds` after the query `begins`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._cancelled = threading.Event()
        self._deadline = float("inf")

    def begins(self) -> None:
        """The time runs from here."""
        self._deadline = time.monotonic() + self.seconds

    def cancel(self) -> None:
        """Stops the query, now or before it begins. From any thread."""
        self._cancelled.set()

    def tripped(self) -> bool:
        """Whether the query must give up."""
        return self._cancelled.is_set() or time.monotonic() > self._deadline

    def reason(self) -> SqlError:
        """Why it had to."""
        if self._cancelled.is_set():
            return SqlError("ODPS-0120031", "the instance was stopped")
        return SqlError(
            "ODPS-0123144",
            f"WorkerRestart errCode:252,errMsg:kInstanceMonitorTimeout, ran for more than {self.seconds:g} seconds, "
            "usually caused by bad udf performance",
        )


@dataclass(frozen=True, slots=True)
class Compiled:
    """A script that can be run."""

    project: str
    owner: str
    statements: tuple[Prepared, ...]
    script: Script


@dataclass(slots=True)
class _Project:
    path: Path
    writing: threading.Lock = field(default_factory=threading.Lock)
    tables: dict[str, About] = field(
        default_factory=dict
    )  # by lower-case name; replaced whole, so readers need no lock


class Engine:
    """The databases of all projects, in files under `directory`. `now` gives epoch seconds."""

    def __init__(self, directory: Path, projects: Sequence[str], owner: str, now: Callable[[], float]) -> None:
        self._now = now
        self._projects: dict[str, _Project] = {}
        for number, name in enumerate(projects):
            project = self._projects[name] = _Project(directory / f"{number}.sqlite")
            with self._session(project, Watch(60)) as session:
                session.load_sample()
            project.tables[SAMPLE] = About(owner, now(), now(), "Fisher's iris data")

    def compile(self, project: str, script: Script, owner: str) -> Compiled:
        """Checks the first statement against the tables that exist; the others may rely on what it does.

        Raises SqlError.
        """
        statements = tuple(prepare(statement, project) for statement in script.statements)
        with self._session(self._projects[project], Watch(60)) as session:
            session.check(statements[0], project)
        return Compiled(project, owner, statements, script)

    def run(self, compiled: Compiled, watch: Watch) -> Answer:
        """Runs all statements and gives the last one's result. Raises SqlError."""
        project = self._projects[compiled.project]
        answer = Answer("", "text")
        watch.begins()
        for number, prepared in enumerate(compiled.statements):
            with self._session(project, watch) as session:
                if number:
                    session.check(prepared, compiled.project)
                if prepared.verb is Verb.SHOW_TABLES:
                    answer = self._show_tables(project, session)
                elif prepared.table and prepared.verb is Verb.DESCRIBE:
                    answer = self._describe(project, compiled.project, prepared.table, session)
                elif prepared.writes:
                    with _turn_to_write(project, watch):
                        session.write(prepared.steps)
                        self._remember(project, prepared, compiled.owner)
                    answer = Answer("", "text")
                else:
                    answer = session.read(prepared.steps[0])
        return answer

    @contextmanager
    def _session(self, project: _Project, watch: Watch) -> Iterator["_Session"]:
        session = _Session(project.path, self._now, watch)
        try:
            yield session
        finally:
            session.close()

    def _show_tables(self, project: _Project, session: "_Session") -> Answer:
        lines = [f"{self._about(project, name).owner}:{name}\n" for name in session.tables()]
        return Answer("".join(lines), "text")

    def _describe(self, project: _Project, project_name: str, table: Token, session: "_Session") -> Answer:
        about = self._about(project, table.value)
        return Answer(describe(project_name, about, session.columns(table.value), session.bytes_used()), "text")

    def _about(self, project: _Project, table: str) -> About:
        return project.tables.get(table.lower()) or About("", self._now(), self._now())

    def _remember(self, project: _Project, prepared: Prepared, owner: str) -> None:
        if prepared.table is None:
            return
        now, name = self._now(), prepared.table.value.lower()
        old = project.tables.get(name)
        if prepared.new and (old is None or not prepared.new.if_not_exists):
            comments = tuple((column.name, column.comment) for column in prepared.new.columns)
            about = About(owner, now, now, prepared.new.comment, comments)
        else:
            about = replace(old or About(owner, now, now), modified=now)
        project.tables = {**project.tables, name: about}


class _Session:
    """One connection. sqlite's complaints come out as SqlError."""

    def __init__(self, path: Path, now: Callable[[], float], watch: Watch) -> None:
        self._watch = watch
        self._failure: SqlError | None = None
        self._connection = sqlite3.connect(path, timeout=5, isolation_level=None)
        self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
        for pragma in ("journal_mode=WAL", "synchronous=OFF", f"max_page_count={_MAX_PAGES}"):
            self._connection.execute(f"PRAGMA {pragma}")
        functions.install(self._connection, now, self._remember_failure)
        aggregates.install(self._connection)
        self._connection.set_progress_handler(watch.tripped, _STEPS_BETWEEN_LOOKS)

    def close(self) -> None:
        self._connection.close()

    def load_sample(self) -> None:
        """Creates the table that every project starts with."""
        columns = ", ".join(f"{column.name} {column.stored_type}" for column in _SAMPLE_COLUMNS)
        text = files("monitor.emulator.sql").joinpath("iris.csv").read_text(encoding="utf-8")
        rows = list(csv.reader(text.splitlines()))[1:]
        self._connection.execute(f"CREATE TABLE {SAMPLE} ({columns})")
        self._connection.execute("BEGIN")
        self._connection.executemany(f"INSERT INTO {SAMPLE} VALUES (?, ?, ?, ?, ?)", rows)  # noqa: S608 - our own name
        self._connection.execute("COMMIT")

    def check(self, prepared: Prepared, project: str) -> None:
        """Lets sqlite compile each step. Raises SqlError."""
        if prepared.verb is Verb.DESCRIBE and prepared.table and not self.columns(prepared.table.value):
            raise table_not_found(f"{project}.{prepared.table.value}", prepared.table.place)
        for step in prepared.steps:
            try:
                self._explain(step.sql)
            except sqlite3.Error as error:
                raise compile_failure(error, prepared.statement, step, project, self._complaint) from error
            except _UNEXPECTED as error:
                raise run_failure(error) from error

    def read(self, step: Translation) -> Answer:
        with self._told():
            return render(self._connection.execute(step.sql))

    def write(self, steps: Sequence[Translation]) -> None:
        with self._told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                for step in steps:
                    self._connection.execute(step.sql)
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.set_progress_handler(None, 0)  # a tripped watch must not stop the way back
                    self._connection.execute("ROLLBACK")

    def tables(self) -> list[str]:
        query = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name"
        return [name for (name,) in self._connection.execute(query)]

    def columns(self, table: str) -> list[Column]:
        rows = self._connection.execute("SELECT name, type FROM pragma_table_info(?)", (table,))
        return [Column(name, declared_type(stored)) for name, stored in rows]

    def bytes_used(self) -> int:
        query = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        return int(self._connection.execute(query).fetchone()[0])

    def _explain(self, sql: str) -> None:
        self._connection.execute(f"EXPLAIN {sql}").close()

    def _complaint(self, sql: str) -> str:
        try:
            self._explain(sql)
        except _UNEXPECTED as error:
            return str(error)
        return ""

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except SqlError:
            raise
        except _UNEXPECTED as error:
            if self._watch.tripped():
                raise self._watch.reason() from error
            raise (self._failure or run_failure(error)) from error

    def _remember_failure(self, error: SqlError) -> None:
        self._failure = error


@contextmanager
def _turn_to_write(project: _Project, watch: Watch) -> Iterator[None]:
    """One writer at a time, as sqlite has it; whoever waits can still be stopped."""
    while not project.writing.acquire(timeout=0.05):
        if watch.tripped():
            raise watch.reason()
    try:
        yield
    finally:
        project.writing.release()
