"""Addresses of the service's own pages."""

from urllib.parse import parse_qs, urlsplit

import pytest

from monitor.core.model import InstanceKey
from monitor.sources.base import Reason, SourceError
from tests.sources.scripted import SECRETS, Answer, error, serving, watching

KEY = InstanceKey("warehouse", "analytics", "20250124073421123gabc0def1")
TOKEN = Answer("<Authorization><Result>made+up/token==</Result></Authorization>")
HOST = Answer("http://logview.example.test/\n")


@pytest.mark.asyncio
async def test_an_address_with_a_token() -> None:
    """Host and token are asked for; every part is escaped, so that the page reads what we meant."""
    async with serving() as service, watching(service) as source:
        service.on("/logview/host", HOST)
        service.on("/authorization", TOKEN)
        address = await source.logview(KEY, 24)
        again = await source.logview(KEY, 48)
    parts = urlsplit(address)
    assert address == again
    assert (parts.scheme, parts.netloc, parts.path) == ("http", "logview.example.test", "/logview/")
    assert parse_qs(parts.query) == {
        "h": [service.endpoint],
        "p": ["analytics"],
        "i": [KEY.id],
        "token": ["made+up/token=="],
    }
    assert len(service.asked_for("/logview/host")) == 1
    tokens = service.asked_for("/authorization")
    assert [asked.method for asked in tokens] == ["POST", "POST"]
    assert b'"expires_in_hours":48' in tokens[1].body


@pytest.mark.asyncio
async def test_a_configured_host_is_not_asked_for() -> None:
    """`logview_host` is used as it is."""
    async with serving() as service, watching(service, logview_host="https://logs.example.test") as source:
        service.on("/authorization", TOKEN)
        assert (await source.logview(KEY, 24)).startswith("https://logs.example.test/logview/?h=")
    assert not service.asked_for("/host")


@pytest.mark.asyncio
async def test_a_bearer_token_is_used_itself() -> None:
    """An account that is a token needs no other."""
    token = SECRETS["bearer_token"]
    async with serving() as service, watching(service, bearer_token=token, access_key=None, access_id=None) as source:
        service.on("/logview/host", HOST)
        assert (await source.logview(KEY, 24)).endswith(f"&token={token}")
    assert not service.asked_for("/authorization")


@pytest.mark.asyncio
async def test_a_page_without_a_token_where_the_service_has_one() -> None:
    """With a region the newer page is used if the service names its host: it asks for a login instead."""
    async with serving() as service, watching(service, region="cn-hangzhou") as source:
        service.on("/webconsole/host", Answer("https://console.example.test"))
        address = await source.logview(KEY, 24)
    assert address.startswith("https://console.example.test/cn-hangzhou/job-insights?h=")
    assert "token" not in address
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    "answer", [error("NoSuchObject", status=404), Answer(""), Answer("javascript:alert(1)"), Answer("http://[x")]
)
@pytest.mark.asyncio
async def test_without_the_newer_page_the_older_one(answer: Answer) -> None:
    """No host, or something that is none: asked once, and the old page is used."""
    async with serving() as service, watching(service, region="cn-hangzhou") as source:
        service.on("/webconsole/host", answer)
        service.on("/logview/host", HOST)
        service.on("/authorization", TOKEN)
        for _ in range(2):
            assert (await source.logview(KEY, 24)).startswith("http://logview.example.test/logview/?")
    assert len(service.asked_for("/webconsole/host")) == 1


@pytest.mark.asyncio
async def test_no_page_at_all() -> None:
    """A service that names no host: the message says what to set."""
    async with serving() as service, watching(service) as source:
        service.on("/logview/host", error("NoSuchObject", status=404))
        service.on("/authorization", TOKEN)
        with pytest.raises(SourceError, match="set `logview_host`") as caught:
            await source.logview(KEY, 24)
    assert caught.value.reason is Reason.REJECTED


@pytest.mark.asyncio
async def test_a_passing_trouble_is_not_remembered() -> None:
    """A host that could not be had this time is asked for next time."""
    async with serving() as service, watching(service) as source:
        service.on("/authorization", TOKEN)
        service.on("/logview/host", error("InternalServerError", status=500), HOST)
        with pytest.raises(SourceError) as caught:
            await source.logview(KEY, 24)
        assert caught.value.reason is Reason.UNAVAILABLE
        assert (await source.logview(KEY, 24)).startswith("http://logview.example.test/")


@pytest.mark.asyncio
async def test_the_older_page_where_it_is_wanted() -> None:
    """Though the region is known and the service has the newer one: it is not even asked."""
    async with serving() as service, watching(service, region="cn-hangzhou", logview_version="v1") as source:
        service.on("/logview/host", HOST)
        service.on("/authorization", TOKEN)
        assert (await source.logview(KEY, 24)).startswith("http://logview.example.test/logview/?")
    assert not service.asked_for("/webconsole/host")


@pytest.mark.parametrize(
    ("more", "host"),
    [
        ({}, "https://maxcompute.console.aliyun.com"),
        ({"console_host": "https://console.example.test"}, "https://console.example.test"),
    ],
)
@pytest.mark.asyncio
async def test_the_newer_page_where_it_is_wanted(more: dict[str, str], host: str) -> None:
    """Though the service does not say where it is; of a query of a session its own part of the page."""
    key = InstanceKey(KEY.source, KEY.project, f"{KEY.id}:7")
    async with serving() as service, watching(service, region="cn-x", logview_version="v2", **more) as source:
        address = await source.logview(key, None)
    parts = urlsplit(address)
    assert address.startswith(f"{host}/cn-x/job-insights?")
    assert parse_qs(parts.query) == {"h": [service.endpoint], "p": [KEY.project], "i": [KEY.id], "subQuery": ["7"]}
    assert len(service.asked) == (0 if more else 1)


@pytest.mark.asyncio
async def test_for_how_many_hours() -> None:
    """As many as the section says, one if it says nothing, unless somebody asks for another number."""
    for section, hours, expected in (({}, None, 1), ({"logview_hours": 12}, None, 12), ({"logview_hours": 12}, 3, 3)):
        async with serving() as service, watching(service, **section) as source:
            service.on("/logview/host", HOST)
            service.on("/authorization", TOKEN)
            await source.logview(KEY, hours)
        assert f'"expires_in_hours":{expected},'.encode() in service.asked_for("/authorization")[0].body


@pytest.mark.parametrize("region", [None, "cn-hangzhou"])
@pytest.mark.asyncio
async def test_an_address_is_made_of_known_parts_only(region: str | None) -> None:
    """An id that is none and a project that is not ours get no address."""
    async with serving() as service, watching(service, region=region) as source:
        service.on("/webconsole/host", Answer("https://console.example.test"))
        for key in (InstanceKey("warehouse", "analytics", "a&b"), InstanceKey("warehouse", "other", "a")):
            with pytest.raises(SourceError) as caught:
                await source.logview(key, 24)
            assert caught.value.reason is Reason.NOT_FOUND
