"""Refusals have one shape, whoever raised them."""

from typing import Any

import pytest
import structlog.testing

from monitor.core.model import Phase
from monitor.sources.base import NotOfferedError, Reason, SourceError
from tests.web.desk import open_desk, track

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "says"),
    [
        ("GET", "/nowhere", 404, "not_found", "nothing is at /nowhere: see /api/v1/openapi.json"),
        ("GET", "/api/v2/instances", 404, "not_found", "nothing is at"),
        ("DELETE", "/api/v1/instances", 405, "method_not_allowed", "DELETE is not answered at /api/v1/instances: use"),
        ("POST", "/metrics", 405, "method_not_allowed", "use GET, HEAD"),
        ("GET", "/api/v1/instances/a/b/c/d/e", 404, "not_found", "nothing is at"),
        ("GET", "/static/..%2fserver.py", 404, "not_found", "there is no file"),
    ],
)
async def test_unknown_addresses_and_methods(method: str, path: str, status: int, code: str, says: str) -> None:
    """A JSON error that says what was wrong, as for every other fault."""
    async with open_desk() as desk:
        refusal = await desk.refused(status, method, path)
        assert (refusal.code, says in refusal.message) == (code, True)


async def test_a_wrong_method_names_the_right_ones_in_the_header() -> None:
    """`Allow` is kept for programs."""
    async with open_desk() as desk, desk.session.put(f"{desk.url}/api/v1/sources") as response:
        assert response.headers["Allow"] == "GET,HEAD"


@pytest.mark.parametrize(
    ("reason", "status", "code"),
    [
        (Reason.NOT_FOUND, 404, "not_found"),
        (Reason.CONFLICT, 409, "conflict"),
        *((reason, 502, "source_failed") for reason in Reason if reason not in {Reason.NOT_FOUND, Reason.CONFLICT}),
    ],
)
async def test_every_reason_of_a_source_has_its_status(reason: Reason, status: int, code: str) -> None:
    """What the service does not know is 404, what it refuses for its state is 409, all else is a failing gateway."""
    async with open_desk(track("i1")) as desk:
        desk.service.fails = SourceError(reason, "as it said")
        refusal = await desk.refused(status, "GET", "/api/v1/instances/i1/results")
        assert (refusal.code, refusal.reason, refusal.message) == (code, reason.value, f"{reason.value}: as it said")


@pytest.mark.parametrize(("method", "wish"), [("GET", "logview"), ("POST", "restart")])
async def test_what_a_kind_of_service_never_offers(method: str, wish: str) -> None:
    """501: nothing has failed, and asking again will not help; the message is the source's own."""
    async with open_desk(track("i1", Phase.FAILED)) as desk:
        desk.service.fails = NotOfferedError("there is no page: look into the logs")
        refusal = await desk.refused(501, method, f"/api/v1/instances/i1/{wish}")
        assert (refusal.code, refusal.message) == ("not_offered", "there is no page: look into the logs")


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/api/v1/instances/i1/stop", {}),
        ("/api/v1/instances/i1/restart", {}),
        ("/api/v1/instances", {"json": {"key": "warehouse/analytics/i2"}}),
        ("/api/v1/instances", {"json": {"source": "warehouse", "job": {}}}),
    ],
)
async def test_wishes_that_come_while_the_daemon_stops(path: str, options: dict[str, Any]) -> None:
    """503: nothing is wrong with the request, and it may be sent again."""
    async with open_desk(track("i1")) as desk:
        desk._send.close()
        refusal = await desk.refused(503, "POST", path, **options)
        assert (refusal.code, "ask again" in refusal.message) == ("stopping", True)


async def test_our_own_bug_is_logged_and_still_answered() -> None:
    """500 in JSON without any inner detail; the log has the trace."""
    async with open_desk() as desk:
        desk.board._tracks = None  # type: ignore[assignment]
        with structlog.testing.capture_logs() as logs:
            refusal = await desk.refused(500, "GET", "/api/v1/instances")
        assert (refusal.code, "NoneType" in refusal.message) == ("internal", False)
        assert [(one["event"], one["path"]) for one in logs] == [("request_failed", "/api/v1/instances")]
