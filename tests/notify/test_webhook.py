"""The webhook against a real server: Alertmanager's format to the letter."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from monitor.notify.base import NotifyError
from monitor.notify.webhook import WebhookSection
from tests.notify.receiver import NOON, alert, answering, receiving, webhook

# https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
DOCUMENTED = {
    "version", "groupKey", "truncatedAlerts", "status", "receiver", "groupLabels", "commonLabels", "commonAnnotations",
    "externalURL", "alerts",
}  # fmt: skip
HOSTILE = "名\n<script>\0\u202e"
DOCUMENTED_ALERT = {"status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"}


async def sent(**texts: str) -> dict[str, Any]:
    """The body that arrives for an alert."""
    async with receiving() as receiver, webhook(receiver.url) as channel:
        await channel.send([alert(**texts)])
        return json.loads(receiver.requests[0][1])


@pytest.mark.asyncio
async def test_the_body_is_that_of_alertmanager() -> None:
    """Exactly the documented keys, of the documented types, with our labels and annotations."""
    body = await sent()
    assert body.keys() == DOCUMENTED
    (one,) = body["alerts"]
    assert one.keys() == DOCUMENTED_ALERT
    expected = alert()
    assert body == {
        "version": "4",
        "groupKey": '{}:{alertname="InstanceFailed", instance="i1", project="analytics", source="warehouse"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "ops",
        "groupLabels": {
            "alertname": "InstanceFailed",
            "instance": "i1",
            "project": "analytics",
            "source": "warehouse",
        },
        "commonLabels": expected.labels,
        "commonAnnotations": expected.annotations,
        "externalURL": "http://stagewatch.test",
        "alerts": [
            {
                "status": "firing",
                "labels": expected.labels,
                "annotations": expected.annotations,
                "startsAt": "2016-05-19T12:00:00Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": expected.annotations["logview"],
                "fingerprint": expected.id,
            }
        ],
    }


@pytest.mark.asyncio
async def test_two_instances_are_two_groups() -> None:
    """Receivers that thread by `groupKey` keep instances apart, whatever is in their names."""
    plain, quoted = await sent(), await sent(instance='a", project="b')
    assert plain["groupKey"] != quoted["groupKey"]
    assert quoted["groupKey"].startswith('{}:{alertname="InstanceFailed", instance="a\\", project=\\"b", ')


@pytest.mark.asyncio
async def test_half_a_character_does_not_keep_an_alert_back() -> None:
    """Text that is not valid Unicode arrives with a mark in its place; all else arrives as it is."""
    body = await sent(message="bad \ud800 half", owner=HOSTILE)
    assert body["commonAnnotations"]["message"] == "bad ? half"
    assert body["commonLabels"]["owner"] == HOSTILE


@pytest.mark.asyncio
async def test_the_request_names_its_sender_and_its_alert() -> None:
    """POST, JSON, our name and version, configured headers, and the fingerprint as idempotency key."""
    async with receiving() as receiver, webhook(receiver.url, Authorization="Bearer t0k3n-t0k3n") as channel:
        receipt = await channel.send([alert()])
        ((request, _),) = receiver.requests
        assert (receipt.status, receipt.detail) == (200, "thanks")
    assert (request.method, request.path) == ("POST", "/hook")
    assert request.content_type == "application/json"
    assert request.headers["User-Agent"] == "stagewatch/1.2.3"
    assert request.headers["Authorization"] == "Bearer t0k3n-t0k3n"
    assert request.headers["Idempotency-Key"] == alert().id


@pytest.mark.asyncio
async def test_a_configured_header_replaces_ours_but_not_the_key() -> None:
    """Whatever its case, a header is sent once; the idempotency key is always the alert's."""
    names = {"content_type": "application/json; charset=utf-8", "idempotency_key": "mine"}
    async with receiving() as receiver, webhook(receiver.url, **names) as channel:
        await channel.send([alert()])
        ((request, _),) = receiver.requests
    assert request.headers.getall("Content-Type") == ["application/json; charset=utf-8"]
    assert request.headers.getall("Idempotency-Key") == [alert().id]


@pytest.mark.asyncio
async def test_several_alerts_are_several_requests_in_order() -> None:
    """Each has its own key, and the first refusal ends the row."""
    async with receiving() as receiver, webhook(receiver.url) as channel:
        await channel.send([alert("a"), alert("b")])
        receiver.answer = answering(500)
        with pytest.raises(NotifyError):
            await channel.send([alert("c"), alert("d")])
        keys = [request.headers["Idempotency-Key"] for request, _ in receiver.requests]
    assert keys == [alert(name).id for name in "abc"]


@pytest.mark.asyncio
async def test_an_alert_is_told_once() -> None:
    """What a channel of this name told already is not told again."""
    async with receiving() as receiver, webhook(receiver.url) as channel:
        receipt = await channel.send([alert()], NOON)
    assert receiver.requests == []
    assert receipt.again_at is None


def test_a_section_is_checked_before_anything_is_sent() -> None:
    """An address that is none, a header that cannot be sent: named, without the value."""
    for url in ("", "ops", "ftp://files.example/", "http://"):
        with pytest.raises(ValidationError, match="url"):
            WebhookSection(type="webhook", name="ops", url=url)
    for headers, says in (
        ({"X Key": "s3cr3t"}, "'X Key' is not the name of a header"),
        ({"X-Key": "s3cr3t\nX-Other: s3cr3t"}, "the value of X-Key must be one line"),
    ):
        with pytest.raises(ValidationError, match=says) as caught:
            WebhookSection(type="webhook", name="ops", url="http://ops.example/", headers=headers)
        assert "s3cr3t" not in str(caught.value)
    with pytest.raises(ValidationError, match="not both"):
        WebhookSection(
            type="webhook", name="ops", url="http://me:p4ss@ops.example/", headers={"authorization": "Bearer t0k3n"}
        )
