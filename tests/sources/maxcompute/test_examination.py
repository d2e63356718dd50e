"""What an examination of MaxCompute asks, and what it makes of odd answers; the rest is in the contracts."""

import pytest

from monitor.sources.base import Check
from monitor.sources.maxcompute import MaxComputeSource
from monitor.sources.maxcompute.examination import LIST, LOGVIEW, QUEUEING, READ, STOP
from tests.sources.scripted import Answer, Service, error, instance, queueing, rows, serving, task, watching

pytestmark = pytest.mark.asyncio

ID = "20250124073421123gabc0def1"
TOKEN = Answer("<Authorization><Result>made-up-logview-token</Result></Authorization>")


def good(service: Service) -> None:
    """A service that grants everything."""
    service.on("/instances?", Answer(rows((ID, "Running"))))
    service.on("/cachedinstances?", Answer(queueing("[]")))
    service.on("taskstatus", Answer(instance("Running", task("Running"))))
    service.on("/logview/host", Answer("http://logview.example.test"))
    service.on("/authorization", TOKEN)


async def examined(source: MaxComputeSource) -> dict[str, Check]:
    return {check.name: check async for check in source.examine("analytics")}


async def test_what_it_asks() -> None:
    """One question for each right, none that changes anything, and no token in what it says."""
    async with serving() as service, watching(service) as source:
        good(service)
        checks = await examined(source)
        assert {asked.method for asked in service.asked} == {"GET", "POST"}
        assert [
            asked.target.partition("?")[0].rsplit("/", 1)[-1] for asked in service.asked if asked.method == "POST"
        ] == ["authorization"]
    assert {name: check.ok for name, check in checks.items() if name in {LIST, QUEUEING, READ, LOGVIEW, STOP}} == {
        LIST: True,
        QUEUEING: True,
        READ: True,
        LOGVIEW: True,
        STOP: None,
    }
    assert all("made-up" not in check.detail + check.fix for check in checks.values())


async def test_a_project_that_is_not_there() -> None:
    """The key is not to blame: the name is, or the path of the endpoint."""
    async with serving() as service, watching(service) as source:
        service.on("/projects/analytics", error("NoSuchProject", "ODPS-0420111: Project not found", 404))
        checks = await examined(source)
    assert [*checks] == ["address", "tls", "clock", "project"]
    assert checks["project"].detail == "the service knows no project 'analytics'"
    assert "usually /api" in checks["project"].fix


@pytest.mark.parametrize(("code", "status"), [("NoSuchObject", 404), ("MethodNotAllowed", 405)])
async def test_a_service_without_the_better_listing(code: str, status: int) -> None:
    """That is no missing right: sweeps do without it."""
    async with serving() as service, watching(service) as source:
        good(service)
        service.on("/cachedinstances?", error(code, status=status))
        checks = await examined(source)
    assert checks[QUEUEING].ok is None
    assert "does not offer" in checks[QUEUEING].detail


async def test_one_right_missing_leaves_the_others() -> None:
    """Each is named with the resource that it must be granted on."""
    denied = error("NoPermission", "ODPS-0130013:Authorization exception - made up", 403)
    for part, name, fix in (
        ("/cachedinstances?", QUEUEING, "projects/analytics/cachedinstances"),
        ("taskstatus", READ, "projects/analytics/instances/*"),
        ("/authorization", LOGVIEW, "logview_version: v2"),
    ):
        async with serving() as service, watching(service) as source:
            good(service)
            service.on(part, denied)
            checks = await examined(source)
        assert [check.name for check in checks.values() if check.ok is False] == [name]
        assert fix in checks[name].fix
        assert checks[name].detail == "NoPermission (HTTP 403): ODPS-0130013:Authorization exception - made up"


async def test_a_page_that_takes_no_token() -> None:
    """Whoever sees LogView v2 needs no right to sign tokens."""
    async with serving() as service, watching(service, region="cn-hangzhou") as source:
        good(service)
        service.on("/webconsole/host", Answer("https://console.example.test"))
        service.on("/authorization", error("NoPermission", status=403))
        checks = await examined(source)
    assert checks[LOGVIEW].ok


async def test_a_bearer_token() -> None:
    """Whoever comes with one is called so, and the token is not shown."""
    async with (
        serving() as service,
        watching(service, access_id=None, access_key=None, bearer_token="made-up-bearer") as source,
    ):
        good(service)
        checks = await examined(source)
    assert checks["credentials"].detail == "the service knows the bearer token"
