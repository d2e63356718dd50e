"""The JSON API over a real server."""

import asyncio
from datetime import timedelta
from io import BytesIO
from urllib.parse import quote

import pytest

from monitor.core.events import Discovered
from monitor.core.health import Health
from monitor.core.model import InstanceKey, Phase, Queue, Verdict
from monitor.sources.base import BadJobError, Reason, Remark, SourceError
from monitor.storage.base import Attempt, Batch, DeliveryState, Outcome
from monitor.web import api
from tests.web.desk import HOSTILE, NOON, alert, failed, key, moved, open_desk, staged, track

pytestmark = pytest.mark.asyncio
PATH = "/api/v1/instances"


async def test_an_instance_has_exactly_the_promised_shape() -> None:
    """Every field of the contract is there, times are RFC 3339 in UTC, and what is not known is null."""
    one = staged("i1", 4, owner="ALIYUN$me@example.test", progress=0.42, queue=Queue(0, 12))
    async with open_desk(one) as desk:
        shown = (await desk.get(PATH))["instances"][0]
        stages = shown["tasks"][0].pop("stages")
        task = {"name": "AnonymousSQLTask", "type": "SQL", "phase": "running", "ended_at": None, "depends_on": []}
        assert shown == {
            "key": "warehouse/analytics/i1",
            "source": "warehouse",
            "kind": "maxcompute",
            "project": "analytics",
            "id": "i1",
            "name": "",
            "owner": "ALIYUN$me@example.test",
            "phase": "running",
            "phase_since": None,
            "native_status": "Running",
            "attempt": 1,
            "progress": 0.42,
            "created_at": "2016-05-19T12:00:00Z",
            "started_at": None,
            "ended_at": None,
            "observed_at": "2016-05-19T12:00:00Z",
            "stages_at": None,
            "tasks": [{**task, "started_at": "2016-05-19T12:00:00Z"}],
            "queue": {"position": 0, "length": 12, "reason": ""},
            "failure": None,
            "verdicts": [],
            "contradiction": None,
            "partial_failure": False,
            "failed_workers": 0,
            "parent": None,
            "step": "",
            "children": [],
        }
        assert stages[1] == {
            "name": "R2_1_Stg1_job0",
            "kind": "R",
            "id": 2,
            "depends_on": [1],
            "running": 0,
            "terminated": 0,
            "total": 4,
            "backups": 0,
            "percent": None,
            "status": None,
            "failed": 0,
            "retries": 0,
        }


async def test_a_sweep_vouches_for_what_did_not_change() -> None:
    """`observed_at` is when a listing last named the instance, though no event came of it."""
    async with open_desk(track("i1"), failed("i2")) as desk:
        desk.sweep("i1", at=NOON + timedelta(minutes=5))
        shown = {one["id"]: one for one in (await desk.get(PATH))["instances"]}
        assert shown["i1"]["observed_at"] == "2016-05-19T12:05:00Z"
        assert shown["i2"]["observed_at"] == "2016-05-19T12:00:00Z"
        assert shown["i2"]["failure"]["category"] == "unknown"


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", ["b", "f", "w"]),
        ("?phase=running", ["b"]),
        ("?phase=running&phase=failed", ["b", "f"]),
        ("?phase=running,failed", ["b", "f"]),
        ("?project=ads", ["b"]),
        ("?source=warehouse&project=ads,analytics&owner=eve@x.test", ["w"]),
        ("?q=EVE", ["w"]),
        ("?q=nightly", ["f"]),
        ("?key=warehouse/ads/b", ["b"]),
        ("?phase=&q=", ["b", "f", "w"]),
        ("?phase=lost", []),
    ],
)
async def test_filters_narrow_the_list(query: str, ids: list[str]) -> None:
    """Parameters may be repeated or written with commas; different ones must all agree."""
    tracks = (
        track("w", Phase.WAITING, owner="eve@x.test"),
        failed("f", name="Nightly load"),
        track(key("b", project="ads")),
    )
    async with open_desk(*tracks) as desk:
        page = await desk.get(PATH + query)
        assert sorted(one["id"] for one in page["instances"]) == ids
        assert page["total"] == len(ids)


async def test_pages_follow_one_another_without_gap_or_repetition() -> None:
    """The cursor leads through everything, newest discovered first, though new ones arrive meanwhile."""
    async with open_desk(*(track(f"i{n}") for n in range(7))) as desk:
        seen: list[str] = []
        cursor = ""
        while cursor is not None:
            page = await desk.get(f"{PATH}?limit=3" + (f"&cursor={cursor}" if cursor else ""))
            seen += [one["id"] for one in page["instances"]]
            cursor = page["next"]
            new = track(f"new{len(seen)}")
            desk.happen(Discovered(NOON, new.key), tracks=(new,))
        assert seen == [f"i{n}" for n in reversed(range(7))]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("?fase=running", "unknown parameter 'fase': use source, project, phase, owner, key, q, limit, cursor"),
        ("?phase=done", "phase is 'done': use waiting, running, suspended, succeeded, failed, cancelled, lost"),
        ("?limit=0", "limit is '0': give a whole number from 1 to 1000"),
        ("?limit=1001", "from 1 to 1000"),
        ("?limit=1e2", "from 1 to 1000"),
        ("?limit=%D9%A1", "from 1 to 1000"),
        ("?limit=1&limit=2", "limit is given 2 times"),
        ("?cursor=abc", "'abc' is not a cursor"),
        ("?cursor=-1", "is not a cursor"),
        ("?cursor=%00", "is not a cursor"),
    ],
)
async def test_a_bad_parameter_is_named_with_what_is_allowed(query: str, says: str) -> None:
    """The answer is 400, and a person can mend the request by reading it."""
    async with open_desk() as desk:
        refusal = await desk.refused(400, "GET", PATH + query)
        assert refusal.code == "bad_request"
        assert says in refusal.message


async def test_one_instance_comes_whole_with_its_history() -> None:
    """By its key or, where only one has it, by its bare id; history is oldest first and carries no states."""
    one = failed("i1")
    async with open_desk() as desk:
        await desk.keep(desk.happen(Discovered(NOON, one.key), moved(None, one), tracks=(one,)))
        shown = await desk.get(f"{PATH}/warehouse/analytics/i1")
        assert shown["history"] == [
            {"kind": "discovered", "seq": 101, "at": "2016-05-19T12:00:00Z", "key": "warehouse/analytics/i1"},
            {
                "kind": "phase",
                "seq": 102,
                "at": "2016-05-19T12:00:00Z",
                "key": "warehouse/analytics/i1",
                "from": None,
                "to": "failed",
                "attempt": 1,
            },
        ]
        assert await desk.get(f"{PATH}/i1") == shown


async def test_a_bare_id_of_several_names_them() -> None:
    """409 lists the keys to choose from; an id of none is 404."""
    async with open_desk(track("same"), track(key("same", project="ads"))) as desk:
        refusal = await desk.refused(409, "GET", f"{PATH}/same")
        assert "warehouse/ads/same, warehouse/analytics/same" in refusal.message
        assert (await desk.refused(404, "GET", f"{PATH}/none")).code == "not_found"
        assert (await desk.refused(404, "GET", f"{PATH}/warehouse/analytics/none/results")).code == "not_found"


async def test_hostile_names_travel_unchanged() -> None:
    """Quotes, newlines, markup, great length, NUL and direction marks are data: JSON carries them as they are."""
    tracks = [track(f"i{n}", name=name, owner=name) for n, name in enumerate(HOSTILE)]
    async with open_desk(*tracks) as desk:
        shown = {one["id"]: one for one in (await desk.get(PATH))["instances"]}
        for n, name in enumerate(HOSTILE):
            assert shown[f"i{n}"]["name"] == shown[f"i{n}"]["owner"] == name
            found = await desk.get(f"{PATH}?owner={quote(name[:2000])}&limit=1")
            assert found["total"] == (len(name) <= 2000)
        odd = InstanceKey("warehouse", "analytics", "<b>&'\"\n\0")
        desk.happen(tracks=(track(odd),))
        shown = await desk.get(f"{PATH}/warehouse/analytics/{quote(odd.id)}")
        assert shown["id"] == odd.id


# --- what people do -----------------------------------------------------------------------------------------------


async def test_a_registered_instance_can_be_read_at_once() -> None:
    """201 comes when the board shows it, with its address."""
    async with open_desk() as desk:
        desk.service.known["i9"] = Phase.RUNNING
        async with desk.session.post(desk.url + PATH, json={"key": "warehouse/analytics/i9"}) as response:
            assert response.status == 201
            assert response.headers["Location"] == f"{PATH}/warehouse/analytics/i9"
            assert (await response.json())["phase"] == "running"
        assert (await desk.get(f"{PATH}/i9"))["phase"] == "running"
        assert desk.service.asked == {"inspect stages WATCHED": 1}


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b'{"key": "warehouse/analytics/none"}', 404, "warehouse knows no instance 'none' in 'analytics'"),
        (b'{"key": "nowhere/analytics/i1"}', 404, "no source is named 'nowhere'; configured: warehouse"),
        (b'{"key": "i1"}', 400, "'i1' is not a key: write it as source/project/id"),
        (b'{"key": 5}', 400, "the body does not fit: Expected `str`, got `int` - at `$.key`"),
        (b'{"key": "a/b/c", "then": 1}', 400, "unknown field `then`"),
        (b"[]", 400, "Expected `object`"),
        (b"{", 400, "send a JSON object"),
        (b'{"key": "\xff"}', 400, "send a JSON object"),
        (b"", 400, "send a JSON object"),
        (b"[" * 20_000, 400, "Expected `object`"),
        (b'{"key": "' + b"x" * 1_100_000 + b'"}', 413, "too large"),
    ],
)
async def test_a_registration_that_cannot_be_is_explained(body: bytes, status: int, says: str) -> None:
    """Bad JSON, a bad key, an unknown source and an unknown instance each get their own words."""
    async with open_desk() as desk:
        refusal = await desk.refused(status, "POST", PATH, data=BytesIO(body))
        assert says in refusal.message


async def test_a_source_that_fails_is_502_with_its_reason() -> None:
    """The source's reason is there for programs, its message for people, and its time to wait in the header."""
    async with open_desk(track("i1")) as desk:
        desk.service.fails = SourceError(Reason.THROTTLED, "flow control", retry_after=7)
        refusal = await desk.refused(502, "POST", PATH, json={"key": "warehouse/analytics/i1"})
        assert (refusal.code, refusal.reason) == ("source_failed", "throttled")
        assert refusal.message == "throttled: flow control"
        async with desk.session.get(f"{desk.url}{PATH}/i1/results") as response:
            assert (response.status, response.headers["Retry-After"]) == (502, "7")


async def test_results_and_logview_are_asked_of_the_service() -> None:
    """The results by task; a fresh address as JSON or as a redirect, for as many hours as asked."""
    async with open_desk(track("i1")) as desk:
        assert await desk.get(f"{PATH}/warehouse/analytics/i1/results") == {"results": {"AnonymousSQLTask": "id\ni1\n"}}
        url = "http://logview.example/?i=i1&hours=None&token=t0k3n"  # as the section of the source says
        assert await desk.get(f"{PATH}/i1/logview") == {"url": url}
        for query in ("?redirect", "?redirect=true"):
            options = {"allow_redirects": False}
            async with desk.session.get(f"{desk.url}{PATH}/i1/logview{query}", **options) as response:
                assert (response.status, response.headers["Location"]) == (302, url)
                assert response.headers["Cache-Control"] == "no-store"
        assert "hours=24" in (await desk.get(f"{PATH}/i1/logview?hours=24&redirect=false"))["url"]
        assert "from 1 to 168" in (await desk.refused(400, "GET", f"{PATH}/i1/logview?hours=0")).message
        assert "give true or false" in (await desk.refused(400, "GET", f"{PATH}/i1/logview?redirect=maybe")).message


async def test_results_of_one_task_and_as_csv() -> None:
    """One task of several by name; rows are the text as it is, and only what succeeded has any."""
    async with open_desk(track("i1", Phase.SUCCEEDED), failed("i2"), track("i3")) as desk:
        assert await desk.get(f"{PATH}/i1/results?task=AnonymousSQLTask&format=json") == {
            "results": {"AnonymousSQLTask": "id\ni1\n"}
        }
        for query in ("?format=csv", "?format=csv&task=AnonymousSQLTask"):
            async with desk.session.get(f"{desk.url}{PATH}/i1/results{query}") as response:
                assert (response.status, await response.text()) == (200, "id\ni1\n")
                assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
                assert (response.headers["Cache-Control"], response.headers["X-Content-Type-Options"]) == (
                    "no-store",
                    "nosniff",
                )
        assert "its tasks are AnonymousSQLTask" in (await desk.refused(404, "GET", f"{PATH}/i1/results?task=B")).message
        assert "use json, csv" in (await desk.refused(400, "GET", f"{PATH}/i1/results?format=xml")).message
        for of, phase in (("i2", "failed"), ("i3", "running")):
            refused = await desk.refused(409, "GET", f"{PATH}/{of}/results?format=csv")
            assert f"its phase is {phase}" in refused.message
        desk.service.more_results = {"Other": "x"}
        refused = await desk.refused(400, "GET", f"{PATH}/i1/results?format=csv")
        assert "choose with task=, of AnonymousSQLTask, Other" in refused.message


async def test_stop_is_accepted_and_refused_for_one_that_has_ended() -> None:
    """202 while it runs; 409 if we know that it ended, and also if only the service knows."""
    async with open_desk(track("i1"), failed("i2"), track("i3")) as desk:
        desk.service.known = {"i1": Phase.RUNNING, "i3": Phase.SUCCEEDED}
        assert (await desk.post(f"{PATH}/warehouse/analytics/i1/stop", status=202))["key"] == "warehouse/analytics/i1"
        refusal = await desk.refused(409, "POST", f"{PATH}/i2/stop")
        assert (refusal.code, refusal.message) == (
            "conflict",
            "warehouse/analytics/i2 has already ended: it failed",
        )
        refusal = await desk.refused(409, "POST", f"{PATH}/i3/stop")
        assert (refusal.code, refusal.message) == (
            "conflict",
            "warehouse/analytics/i3 has already ended, as the service says: i3 has already ended",
        )
        assert desk.service.asked["stop"] == 2


async def test_a_submitted_job_can_be_read_at_once() -> None:
    """201 comes when the board shows it, with its address; sent again with the same token it is the same job."""
    body = {
        "source": "warehouse",
        "project": "analytics",
        "token": "nightly-1",
        "job": {"Name": "render", "Priority": 0},
    }
    async with open_desk() as desk:
        for _ in range(2):
            async with desk.session.post(desk.url + PATH, json=body) as response:
                assert response.status == 201
                assert response.headers["Location"] == f"{PATH}/warehouse/analytics/job-nightly-1"
                assert (await response.json())["phase"] == "waiting"
        del body["project"], body["token"]
        assert (await desk.post(PATH, body, 201))["key"] == "warehouse/analytics/job-"
        assert desk.service.submitted == {"nightly-1": body["job"], "": body["job"]}


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b'{"job": []}', 400, "the body does not fit: Expected `object`, got `array` - at `$.job`"),
        (b'{"job": {}, "key": "a/b/c"}', 400, "unknown field `key`"),
        (b'{"job": {}, "token": "a b"}', 400, "matching regex"),
        (b'{"job": {}, "token": ""}', 400, "matching regex"),
        (b'{"job": {}}', 400, "no source takes jobs: configure one of type batchcompute; configured: warehouse"),
        (b'{"job": {}, "source": "render"}', 404, "no source is named 'render'; configured: warehouse"),
        (b'{"job": {}, "source": "warehouse", "project": "x"}', 404, "does not watch project 'x'"),
        (b'{"job": {"a": 1e999}}', 400, "Number out of range"),
        (b'{"job": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001, 400, "send a JSON object"),
        (b'{"job": {"Name": "' + b"x" * 1_100_000 + b'"}}', 413, "at most 1 MiB"),
    ],
)
async def test_a_submission_that_cannot_be_is_explained(body: bytes, status: int, says: str) -> None:
    """The body is wrong, or it is not clear where the job goes to; nothing is sent to the service."""
    async with open_desk() as desk:
        refusal = await desk.refused(status, "POST", PATH, data=BytesIO(body))
        assert says in refusal.message
        assert desk.service.asked == {}


async def test_every_fault_of_a_description_is_answered() -> None:
    """400 for whoever reads it in one sentence, and one by one for programs."""
    async with open_desk() as desk:
        desk.service.fails = BadJobError([Remark("Name", "is missing"), Remark("DAG.Tasks", "must not be empty")])
        refusal = await desk.refused(400, "POST", PATH, json={"source": "warehouse", "job": {}})
        assert (refusal.code, refusal.message) == (
            "bad_job",
            "the job description has faults: Name: is missing; DAG.Tasks: must not be empty",
        )
        assert refusal.faults == [
            {"path": "Name", "what": "is missing"},
            {"path": "DAG.Tasks", "what": "must not be empty"},
        ]


async def test_a_large_job_is_taken() -> None:
    """Hundreds of tasks are no misuse."""
    job = {"DAG": {"Tasks": {f"task{n}": {"Parameters": {"Command": {"CommandLine": "x" * 500}}} for n in range(1000)}}}
    async with open_desk() as desk:
        await desk.post(PATH, {"source": "warehouse", "job": job}, 201)
        assert desk.service.submitted[""] == job


async def test_restart_is_answered_once_the_new_attempt_shows() -> None:
    """So who waits for the end does not take the old one for it. 409 for what succeeded, or does not stand still."""
    async with open_desk(failed("i1"), track("i2", Phase.SUCCEEDED), track("i3")) as desk:
        desk.service.known = {"i1": Phase.FAILED, "i3": Phase.RUNNING}
        shown = await desk.post(f"{PATH}/warehouse/analytics/i1/restart", status=202)
        assert (shown["key"], shown["phase"]) == ("warehouse/analytics/i1", "running")
        refusal = await desk.refused(409, "POST", f"{PATH}/i2/restart")
        assert refusal.message == "warehouse/analytics/i2 has succeeded: only what failed or was stopped can run again"
        assert (await desk.refused(409, "POST", f"{PATH}/i3/restart")).reason == "conflict"
        assert desk.service.asked["restart"] == 2


async def test_restart_shows_the_old_attempt_where_nothing_newer_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service granted it and then says nothing new for too long: that is no failure."""
    monkeypatch.setattr(api, "SHOWN_WITHIN", 0.01)
    async with open_desk(failed("i1")) as desk:
        desk.service.known = {"i1": Phase.FAILED}
        desk.service.lags = True
        assert (await desk.post(f"{PATH}/i1/restart", status=202))["phase"] == "failed"


# --- sources and alerts -------------------------------------------------------------------------------------------


async def test_sources_tell_how_old_what_is_shown_is() -> None:
    """Each project has its age, why it fails, and how many instances are in each phase."""
    async with open_desk(track("i1"), failed("i2")) as desk:
        desk.sweep("i1", at=NOON - timedelta(seconds=90))
        down = Health(failing_since=NOON, failures=3, down=True, reason="timeout", detail="no answer in 10 s")
        desk.sweep(project="ads", health=down)
        body = await desk.get("/api/v1/sources")
        assert body["now"] == "2016-05-19T12:00:00Z"
        ads, analytics = body["sources"]
        assert (ads["project"], ads["up"], ads["swept_at"], ads["age_seconds"]) == ("ads", False, None, None)
        assert (ads["reason"], ads["detail"]) == ("timeout", "no answer in 10 s")
        assert (analytics["up"], analytics["age_seconds"], analytics["reason"]) == (True, 90.0, None)
        counts = analytics["instances"]
        assert (counts["running"], counts["failed"], counts["lost"]) == (1, 1, 0)


async def test_alerts_come_with_every_delivery_attempt() -> None:
    """Newest first, in pages, narrowed by what is asked."""
    async with open_desk(track("i1")) as desk:
        alerts = tuple(alert(n, key("i1") if n else None) for n in range(3))
        await desk.storage.commit(Batch(alerts=alerts))
        (delivery, *_) = await desk.storage.claim("ops", 1, NOON, timedelta(minutes=1), "me")
        attempt = Attempt(NOON, 0.5, "timeout", None, "no answer")
        outcome = Outcome(attempt, DeliveryState.PENDING, NOON + timedelta(minutes=1))
        await desk.storage.settle(delivery, outcome)

        first = await desk.get("/api/v1/alerts?limit=2")
        assert [one["id"] for one in first["alerts"]] == [alerts[2].id, alerts[1].id]
        second = await desk.get(f"/api/v1/alerts?limit=2&cursor={first['next']}")
        (oldest,) = second["alerts"]
        assert second["next"] is None
        assert oldest["key"] is None
        assert oldest["deliveries"] == [
            {
                "channel": "ops",
                "state": "pending",
                "due_at": "2016-05-19T12:01:00Z",
                "delivered_at": None,
                "attempts": [
                    {
                        "at": "2016-05-19T12:00:00Z",
                        "seconds": 0.5,
                        "reason": "timeout",
                        "status": None,
                        "detail": "no answer",
                    }
                ],
            }
        ]
        for query, count in (
            ("?key=warehouse/analytics/i1", 2),
            ("?rule=InstanceFailed&severity=critical", 3),
            ("?source=warehouse&project=ads", 0),
            ("?state=delivered", 0),
        ):
            assert len((await desk.get("/api/v1/alerts" + query))["alerts"]) == count


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("?state=sent", "state is 'sent': use pending, repeating, delivered, given_up"),
        ("?key=i1", "'i1' is not a key"),
        ("?cursor=a/b", "is not a cursor"),
        ("?rule=a&rule=b", "rule is given 2 times"),
        ("?phase=failed", "unknown parameter 'phase'"),
    ],
)
async def test_a_bad_alert_query_is_explained(query: str, says: str) -> None:
    """The answer is 400 and names the parameter."""
    async with open_desk() as desk:
        assert says in (await desk.refused(400, "GET", "/api/v1/alerts" + query)).message


async def test_the_first_to_acknowledge_stays() -> None:
    """Who took charge of an alert is kept and shown; a second one does not replace the first."""
    async with open_desk() as desk:
        await desk.storage.commit(Batch(alerts=(alert(1, key("i1")),)))
        path = f"/api/v1/alerts/{alert(1, None).id}/ack"
        for name in ("ann", "bob"):
            shown = await desk.post(path, {"by": name})
            assert shown["acknowledged"] == {"by": "ann", "at": "2016-05-19T12:00:00Z"}
        assert (await desk.get("/api/v1/alerts"))["alerts"][0]["acknowledged"]["by"] == "ann"
        assert (await desk.refused(404, "POST", "/api/v1/alerts/00ff/ack", json={"by": "x"})).code == "not_found"
        assert "by" in (await desk.refused(400, "POST", path, json={"by": ""})).message


async def test_a_storage_that_fails_is_503() -> None:
    """What is on the board is still shown; what must be read from the storage says why it cannot be."""
    async with open_desk(track("i1")) as desk:
        await desk.storage.aclose()
        assert (await desk.get(PATH))["total"] == 1
        assert (await desk.refused(503, "GET", f"{PATH}/i1")).code == "storage_failed"


async def test_a_long_list_does_not_hold_up_the_loop() -> None:
    """While a thousand instances are encoded, others get their turn."""
    turns = 0

    async def tick() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with open_desk(*(staged(f"i{n}", 3, verdicts=frozenset(Verdict)) for n in range(1000))) as desk:
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(tick())
            page = await desk.get(f"{PATH}?limit=1000")
            ticking.cancel()
        assert len(page["instances"]) == 1000
        assert page["instances"][0]["verdicts"] == ["late", "queued_too_long", "stalled", "straggling"]
        assert turns > 10
