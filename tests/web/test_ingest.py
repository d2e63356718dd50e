"""Lines in, states out: over HTTP, by a server without its line."""

import io
import json
from typing import Any

import pytest

from monitor.web.ingest import MOST_LINES
from tests.web.desk import HOSTILE, open_hearing_desk, track

pytestmark = pytest.mark.asyncio

ID = "20160519101349613gzbzufck2"
INGEST = "/api/v1/ingest"
RUNS = "M1_Stg1_job0:1/0/2[0%]\tR2_1_Stg1_job0:0/0/1[0%]"
FAILED = "FAILED: ODPS-0130131:[1,15] Table not found - made up"


def body(*lines: str, **fields: Any) -> dict[str, Any]:
    return {"source": "private", "project": "p1", "lines": lines, **fields}


@pytest.mark.parametrize(
    "place",
    [
        {"key": f"private/p1/{ID}"},
        {"source": "private", "key": f"p1/{ID}"},
        {"key": f"p1/{ID}"},
        {"source": "private", "project": "p1", "key": ID},
        {"project": "p1", "key": ID},
    ],
)
async def test_an_instance_may_be_named_in_every_form(place: dict[str, str]) -> None:
    """Whole, or in parts, or as short as it is clear; what is told stands on the board when it is answered."""
    async with open_hearing_desk() as desk:
        told = await desk.post(INGEST, {"lines": [RUNS], **place})
        key = f"private/p1/{ID}"
        assert (told["key"], told["telling"], told["unclaimed"], told["malformed"]) == (key, 1, 0, 0)
        (instance,) = told["instances"]
        assert (instance["key"], instance["phase"], instance["kind"]) == (key, "running", "maxcompute")
        assert [stage["depends_on"] for stage in instance["tasks"][0]["stages"]] == [[], [1]]
        assert (await desk.get(f"/api/v1/instances/{key}"))["tasks"] == instance["tasks"]


async def test_the_text_names_the_instance_and_the_answer_where_the_rest_belongs() -> None:
    """Whoever sends the lines reads nothing in them: what the answer names goes with the next batch."""
    async with open_hearing_desk() as desk:
        told = await desk.post(INGEST, body("Log view:", RUNS))
        assert (told["key"], told["instances"], told["unclaimed"]) == (None, [], 1)
        told = await desk.post(INGEST, body(f"ID = {ID}"))
        assert told["key"] == f"private/p1/{ID}"
        assert [one["phase"] for one in told["instances"]] == ["waiting"]
        told = await desk.post(INGEST, {"key": told["key"], "lines": [RUNS, FAILED]})
        (instance,) = told["instances"]
        assert (instance["phase"], instance["failure"]["code"]) == ("failed", "ODPS-0130131")
        assert (await desk.post(INGEST, {"key": told["key"], "lines": [RUNS, FAILED]}))["instances"] == [instance]


@pytest.mark.parametrize(
    ("sent", "status", "says"),
    [
        ({"source": "nobody", "lines": []}, 404, "no source is named 'nobody'; those that take lines: private"),
        ({"source": "warehouse", "lines": []}, 409, "asks the service of 'warehouse' itself and takes no lines for it"),
        ({"key": f"warehouse/analytics/{ID}", "lines": []}, 409, "those that take lines: private"),
        ({"source": "private", "lines": []}, 400, "'private' has several projects: name one of p1, p2"),
        ({"project": "p9", "lines": []}, 404, "'private' has no project 'p9'; configured: p1, p2"),
        ({"key": "a/b/c/d", "lines": []}, 400, "is no key: write source/project/id, project/id, or an id alone"),
        ({"key": "p1/", "lines": []}, 400, "is no key"),
        ({"key": "", "lines": []}, 400, "is no key"),
        ({"key": "p1/two words", "lines": []}, 400, "is no key"),
        ({"key": f"p1/{ID}", "project": "p2", "lines": []}, 400, "`key` names the project 'p1', and `project` 'p2'"),
        ({"source": "private"}, 400, "missing required field `lines`"),
        ({"lines": "M1:0/1/1"}, 400, "Expected `array`"),
        ({"lines": [1]}, 400, "Expected `str`"),
        ({"lines": [""] * (MOST_LINES + 1)}, 400, "length <= 10000"),
        ({"lines": [], "colour": "blue"}, 400, "unknown field `colour`"),
        ([], 400, "Expected `object`"),
    ],
)
async def test_what_is_refused(sent: Any, status: int, says: str) -> None:
    """With words that say what to write instead."""
    async with open_hearing_desk(track("i1")) as desk:
        refusal = await desk.refused(status, "POST", INGEST, json=sent)
        assert says in refusal.message


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b'{"lines": ["\xed\xa0\x80"]}', b"[" * 5000])
async def test_what_is_not_json(data: bytes) -> None:
    """Nor UTF-8: it is refused in words, and nothing else happens."""
    async with open_hearing_desk() as desk:
        refusal = await desk.refused(400, "POST", INGEST, data=data)
        assert refusal.code == "bad_request"


async def test_bodies_and_lines_of_any_size() -> None:
    """More than a mebibyte is refused; lines of ten kilobytes are read, and the text of a failure is cut."""
    async with open_hearing_desk() as desk:
        refusal = await desk.refused(413, "POST", INGEST, data=io.BytesIO(json.dumps(body("x" * (1 << 20))).encode()))
        assert "send at most 1 MiB" in refusal.message
        long = " ".join(f"M{n}:0/1/2[50%]" for n in range(1000))
        told = await desk.post(INGEST, body("x" * 10_000, long, "FAILED: " + "y" * 10_000, key=ID))
        (instance,) = told["instances"]
        assert len(instance["tasks"][0]["stages"]) == 1000
        assert instance["failure"]["message"].startswith("yyy")
        assert len(instance["failure"]["message"]) < 9_000


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_is_text(text: str) -> None:
    """It comes back as it was told, as the text of a failure or as nothing; no token of a LogView is kept."""
    address = f"http://logview.example/?i={ID}&token=made-up-token"
    async with open_hearing_desk() as desk:
        told = await desk.post(INGEST, body(text, address, f"FAILED: {text}", key="nightly-2016-05-19"))
        (instance,) = told["instances"]
        assert instance["phase"] == "failed"
        assert instance["failure"]["message"].startswith(text.strip()[:1000])
        assert "made-up-token" not in json.dumps(told)


async def test_what_only_a_service_can_do() -> None:
    """501 for its results, its LogView, a stop and a restart: there is nobody to ask."""
    async with open_hearing_desk() as desk:
        await desk.post(INGEST, body(RUNS, key=ID))
        for method, wish in (("GET", "results"), ("GET", "logview"), ("POST", "stop"), ("POST", "restart")):
            refusal = await desk.refused(501, method, f"/api/v1/instances/{ID}/{wish}")
            assert "'private' only hears what `stagewatch ingest` sends" in refusal.message


async def test_pages_of_others_may_not_send_lines() -> None:
    """A visitor's browser would let them tell anything."""
    async with open_hearing_desk() as desk:
        refusal = await desk.refused(
            403, "POST", INGEST, json=body(RUNS, key=ID), headers={"Origin": "http://evil.test"}
        )
        assert refusal.code == "foreign_origin"
