"""A real HTTP server on a real socket that says what a test scripted, and remembers what it was asked."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from aiohttp import web

from monitor.sources.base import RequestReport
from monitor.sources.maxcompute import MaxComputeSection, MaxComputeSource
from tests.served import served

NOW = datetime(2025, 1, 24, 7, 34, 21, tzinfo=UTC)
_DATE = {"Date": format_datetime(NOW, usegmt=True)}  # unless an answer says otherwise, the service's clock is right
SECRETS = {"access_key": "made-up-access-key", "sts_token": "made-up-sts-token", "bearer_token": "made-up-bearer"}


@dataclass(slots=True)
class Clock:
    """A wall clock that moves when it is told to."""

    at: datetime = NOW

    def __call__(self) -> datetime:
        return self.at

    def advance(self, **span: float) -> None:
        """Let so much time pass."""
        self.at += timedelta(**span)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came in."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say. `cut` sends so many bytes of the body and resets; `hold` waits for an event before it answers."""

    body: bytes | str = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    chunked: bool = False
    hold: asyncio.Event | None = None


Reply = Answer | Callable[[Asked], Answer]


def error(code: str, message: str = "made-up text", status: int = 400, **headers: str) -> Answer:
    """An error document."""
    text = f"<Error><Code>{code}</Code><Message><![CDATA[{message}]]></Message><RequestId>1</RequestId></Error>"
    return Answer(text, status, {name.replace("_", "-"): value for name, value in headers.items()})


class Service:
    """Answers by what the target holds: the first rule that fits, its answers in turn, the last one for ever."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.asked: list[Asked] = []
        self.arrived = asyncio.Event()
        self._rules: list[tuple[str, list[Reply]]] = []

    def on(self, part: str, *answers: Reply) -> None:
        """Answer like this to targets that hold `part`. Newer rules go before older ones."""
        self._rules.insert(0, (part, list(answers)))

    def asked_for(self, part: str) -> list[Asked]:
        """The requests whose target holds `part`."""
        return [asked for asked in self.asked if part in asked.target]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Remember and answer."""
        asked = Asked(request.method, request.raw_path, dict(request.headers), await request.read())
        self.asked.append(asked)
        self.arrived.set()
        answer = self._choose(asked)
        if answer.hold is not None:
            await answer.hold.wait()
        return await _say(request, answer)

    def _choose(self, asked: Asked) -> Answer:
        for part, answers in self._rules:
            if part in asked.target:
                reply = answers.pop(0) if len(answers) > 1 else answers[0]
                return reply if isinstance(reply, Answer) else reply(asked)
        return error("NoSuchObject", "nothing scripted", 404)


async def _say(request: web.Request, answer: Answer) -> web.StreamResponse:
    body = answer.body.encode() if isinstance(answer.body, str) else answer.body
    response = web.StreamResponse(status=answer.status, headers={**_DATE, **answer.headers})
    if answer.chunked:
        response.enable_chunked_encoding()
    else:
        response.content_length = len(body)
    await response.prepare(request)
    try:
        await response.write(body if answer.cut is None else body[: answer.cut])
        if answer.cut is not None:
            assert request.transport is not None
            request.transport.abort()
        await response.write_eof()
    except ConnectionError:
        pass  # it was cut off, or the client had heard enough
    return response


@asynccontextmanager
async def serving() -> AsyncIterator[Service]:
    """A service that listens until the block ends."""
    service = Service()
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{tail:.*}", service.handle)
    async with served(app, patience=0.1) as url:
        service.endpoint = f"{url}/api"
        yield service


def section(endpoint: str, **changes: Any) -> MaxComputeSection:
    """A section with made-up credentials; `changes` of None remove a key."""
    data: dict[str, Any] = {
        "type": "maxcompute",
        "name": "warehouse",
        "endpoint": endpoint,
        "projects": ["analytics"],
        "access_id": "testAccessId",
        "access_key": SECRETS["access_key"],
        "requests_per_second": 1000,
        **changes,
    }
    return MaxComputeSection.model_validate({key: value for key, value in data.items() if value is not None})


@asynccontextmanager
async def watching(
    service: Service, *, clock: Clock | None = None, reports: list[RequestReport] | None = None, **changes: Any
) -> AsyncIterator[MaxComputeSource]:
    """A source that asks the service, closed when the block ends. Retries follow without a pause."""
    source = MaxComputeSource(
        section(service.endpoint, **changes),
        now=clock or Clock(),
        report=(reports if reports is not None else []).append,
        jitter=lambda: 0.0,
    )
    try:
        yield source
    finally:
        await source.aclose()


def instance(status: str, *tasks: str) -> str:
    """A `?taskstatus` body."""
    inner = f"<Tasks>{''.join(tasks)}</Tasks>"
    return f"<Instance>{f'<Status>{status}</Status>' if status else ''}{inner}</Instance>"


def task(status: str, name: str = "AnonymousSQLTask", ended: str = "") -> str:
    """A task in it."""
    return (
        f'<Task Type="SQL"><Name>{name}</Name><StartTime>Fri, 24 Jan 2025 07:34:22 GMT</StartTime>'
        f"<EndTime>{ended}</EndTime><Status>{status}</Status><Histories/></Task>"
    )


def rows(*pairs: tuple[str, str], marker: str = "") -> str:
    """An `instances` body of ids and status words."""
    inner = "".join(
        f"<Instance><Name>{id_}</Name><Owner>ALIYUN$me@example.test</Owner>"
        "<StartTime>Fri, 24 Jan 2025 07:34:21 GMT</StartTime>"
        f"<EndTime>{'Fri, 24 Jan 2025 07:40:00 GMT' if status == 'Terminated' else ''}</EndTime>"
        f"<Status>{status}</Status></Instance>"
        for id_, status in pairs
    )
    return f"<Instances><Marker>{marker}</Marker><MaxItems>1000</MaxItems>{inner}</Instances>"


def queueing(content: str, marker: str = "") -> str:
    """A `cachedinstances` body around JSON text."""
    escaped = content.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"<Instances><Marker>{marker}</Marker><MaxItems>1000</MaxItems><Content>{escaped}</Content></Instances>"


def stages(*counts: Sequence[int]) -> str:
    """An `?instanceprogress` body of running, terminated, total, percent."""
    inner = "".join(
        f'<Stage ID="M{number}_job_0"><Status>RUNNING</Status><BackupWorkers>0</BackupWorkers>'
        f"<TerminatedWorkers>{terminated}</TerminatedWorkers><RunningWorkers>{running}</RunningWorkers>"
        f"<TotalWorkers>{total}</TotalWorkers><FinishedPercentage>{percent}</FinishedPercentage></Stage>"
        for number, (running, terminated, total, percent) in enumerate(counts, start=1)
    )
    return f"<Progress>{inner}</Progress>"


def results(**texts: str) -> str:
    """A `?result` body of plain texts by task."""
    inner = "".join(
        f'<Task Type="SQL"><Name>{name}</Name><Result Format="text"><![CDATA[{text}]]></Result></Task>'
        for name, text in texts.items()
    )
    return f"<Instance><Tasks>{inner}</Tasks></Instance>"
