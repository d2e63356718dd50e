"""Lines from where jobs run, for sources that the daemon cannot ask itself."""

import re
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Raw, Struct

from monitor.web import wire
from monitor.web.api import answer, read_body
from monitor.web.errors import bad_request
from monitor.web.parts import Parts
from monitor.web.query import Query

MOST_LINES = 10_000

_ID = re.compile(r"[^\s/]{1,128}")


class Ingest(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The body that tells lines, as a tool printed them. They are about the instance that `key` names
    (`source/project/id`, `project/id` or an id) until a line names another one: the answer says where those that follow
    belong. `source` and `project` may be left out where there is one choice."""

    lines: Annotated[tuple[str, ...], Meta(max_length=MOST_LINES)]
    source: str | None = None
    project: str | None = None
    key: str | None = None


class Ingested(Struct, frozen=True, gc=False):
    """What the lines told, which is kept by now. `key` names the instance that the lines behind them are about, null
    where nobody knows; `instances` are all that they told of, as they stand, and `ended_before` the keys of those that
    had ended before: lines change nothing about these. `unclaimed` of the `telling` lines came
    before any instance was named, and `malformed` counts words that look like progress and are not."""

    key: str | None
    instances: tuple[Raw, ...]
    ended_before: tuple[str, ...]
    telling: int
    unclaimed: int
    malformed: int


async def take_lines(request: web.Request, parts: Parts) -> web.Response:
    """Observe what they tell; answered once that is kept. The same lines again change nothing."""
    Query(request)
    asked = await read_body(request, Ingest)
    source, project, instance = _place(asked)
    heard = await parts.hearing.take(asked.lines, source=source, project=project, instance=instance)
    keys = dict.fromkeys(got.key for got in heard.seen)
    tracks = [track for key in keys if (track := parts.board.get(key)) is not None]
    return answer(
        Ingested(
            key=str(heard.key) if heard.key else None,
            instances=await wire.instances(tracks, parts.board),
            ended_before=tuple(sorted(map(str, heard.ended))),
            telling=heard.telling,
            unclaimed=heard.unclaimed,
            malformed=heard.malformed,
        )
    )


def _place(asked: Ingest) -> tuple[str | None, str | None, str | None]:
    """Source, project and id, as far as they are told."""
    if asked.key is None:
        return asked.source, asked.project, None
    words = asked.key.split("/")
    if len(words) > 3 or not all(map(_is_a_name, words)):
        raise bad_request(f"{asked.key[:100]!r} is no key: write source/project/id, project/id, or an id alone")
    source, project, instance = (None, None, None, *words)[-3:]
    return _one(source, asked.source, "source"), _one(project, asked.project, "project"), instance


def _is_a_name(word: str) -> bool:
    return _ID.fullmatch(word) is not None and word.isprintable()


def _one(of_key: str | None, told: str | None, what: str) -> str | None:
    if of_key is not None and told is not None and of_key != told:
        raise bad_request(f"`key` names the {what} {of_key!r}, and `{what}` {told[:100]!r}: give one of them")
    return of_key or told
