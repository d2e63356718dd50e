"""The table of addresses, and what the daemon says of itself."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

import monitor.web
from monitor.sources.batchcompute.description import check
from monitor.sources.batchcompute.description.doubts import doubts
from monitor.web import api, frames, ingest, wire, wire_alerts, wire_events
from monitor.web.errors import Refusal
from monitor.web.feed import Feed
from monitor.web.parts import Readiness
from monitor.web.server import routes
from tests.web.desk import open_desk, staged

pytestmark = pytest.mark.asyncio
STATIC = Path(monitor.web.__file__).parent / "static"


@pytest.mark.parametrize("path", ["/-/healthy", "/healthz", "/livez"])
async def test_healthy_means_that_the_loop_turns(path: str) -> None:
    """It does not depend on any source."""
    async with open_desk() as desk:
        desk.readiness = Readiness(("warehouse/analytics has not been swept yet",))
        assert await desk.get(path) == {"status": "ok", "version": "0.1.0"}


@pytest.mark.parametrize("path", ["/-/ready", "/readyz", "/readyz?verbose"])
async def test_ready_names_what_is_awaited(path: str) -> None:
    """503 with the reasons, then 200."""
    async with open_desk() as desk:
        desk.readiness = Readiness(("warehouse/analytics has not been swept yet",))
        body = await desk.get(path, 503)
        assert body["missing"] == ["warehouse/analytics has not been swept yet"]
        assert body["error"]["code"] == "not_ready"
        assert "warehouse/analytics" in body["error"]["message"]
        desk.readiness = Readiness()
        assert await desk.get(path) == {"status": "ready", "missing": []}


async def test_metrics_follow_the_accept_header() -> None:
    """The body and its type come from whoever renders them; large ones are compressed."""
    async with open_desk() as desk:
        for accept, kind in (("", "text/plain"), ("application/openmetrics-text", "application/openmetrics-text")):
            async with desk.session.get(f"{desk.url}/metrics", headers={"Accept": accept}) as response:
                assert (response.status, response.content_type) == (200, kind)
                assert await response.read() == b"stagewatch_feed_clients 0\n"


async def test_reload_says_why_it_did_not() -> None:
    """200 when the config was taken over, 500 with the fault when the old one stays."""
    async with open_desk() as desk:
        assert await desk.post("/-/reload") == {"status": "reloaded"}
        desk.reload_fault = "stagewatch.yaml: sources[0].endpoint: not an address"
        refusal = await desk.refused(500, "POST", "/-/reload")
        assert (refusal.code, refusal.message) == ("reload_failed", desk.reload_fault)


async def test_long_answers_are_compressed() -> None:
    """Only for clients that accept it, and without holding up the loop."""
    async with open_desk(*(staged(f"i{n}", 1) for n in range(1000))) as desk:
        path = f"{desk.url}/api/v1/instances?limit=1000"
        sizes = {}
        for encoding in ("gzip", "identity"):
            async with desk.session.get(path, headers={"Accept-Encoding": encoding}) as response:
                assert len((await response.json())["instances"]) == 1000
                assert response.headers.get("Content-Encoding", "identity") == encoding
                sizes[encoding] = int(response.headers.get("Content-Length", 0))
        assert sizes["gzip"] < sizes["identity"] / 10


# --- the machine-readable contract --------------------------------------------------------------------------------


def contract(name: str) -> Any:
    """One of the two documents."""
    return msgspec.json.decode((STATIC / name).read_bytes())


def schemas(*shapes: Any) -> dict[str, Any]:
    """What the shapes look like in JSON Schema, by name."""
    return msgspec.json.schema_components(shapes, ref_template="#/components/schemas/{name}")[1]


async def table() -> set[tuple[str, str]]:
    """Every address with its method."""
    async with open_desk() as desk:
        return {(route.method.lower(), route.path) for route in routes(desk.parts, Feed(desk.parts))}


async def test_openapi_has_every_route_and_no_other() -> None:
    """The document and the table name the same addresses with the same methods, and each operation has its own name."""
    document = contract("openapi.json")
    written = {(method, path) for path, item in document["paths"].items() for method in item if method != "parameters"}
    assert written == await table()
    names = [it["operationId"] for item in document["paths"].values() for m, it in item.items() if m != "parameters"]
    assert len(names) == len(set(names))
    assert document["openapi"].startswith("3.1")


async def test_openapi_has_the_shapes_of_the_code(rewrite: bool) -> None:
    """Schemas in the document are those of the code, field by field; `--rewrite` brings them up to date."""
    sent = schemas(
        api.Register,
        api.Submit,
        api.Acknowledge,
        wire.Instance,
        wire.InstancePage,
        wire.Results,
        wire.LogView,
        wire.Projects,
        wire_alerts.AlertPage,
        Refusal,
        wire_events.AnyEvent,
        ingest.Ingest,
        ingest.Ingested,
    )
    if rewrite:
        take_over("openapi.json", described(sent))
    written = contract("openapi.json")["components"]["schemas"]
    assert {name: written.get(name) for name in sent} == described(sent)


async def test_the_example_job_is_good() -> None:
    """Whoever copies the description from the document submits one without faults."""
    content = contract("openapi.json")["paths"]["/api/v1/instances"]["post"]["requestBody"]["content"]
    example = content["application/json"]["examples"]["submit"]["value"]
    shown = msgspec.convert(example, api.Submit)
    assert list(doubts(check(shown.job))) == []


async def test_asyncapi_has_every_message_and_kind_and_no_other(rewrite: bool) -> None:
    """What clients may say, what we say, and every kind of event, with the schemas of the code."""
    sent = schemas(
        frames.Subscribe,
        frames.Unsubscribe,
        frames.Hello,
        frames.Snapshot,
        frames.Happened,
        frames.Resync,
        frames.Error,
        wire.Instance,
    )
    if rewrite:
        take_over("asyncapi.json", described(sent))
    document = contract("asyncapi.json")
    assert document["asyncapi"].startswith("3.0")
    written = document["components"]["schemas"]
    assert written == described(sent)
    messages = document["components"]["messages"]
    assert set(messages) == {"subscribe", "unsubscribe", "hello", "snapshot", "event", "resync", "error"}
    kinds = written["Happened"]["properties"]["event"]["discriminator"]["mapping"]
    assert set(kinds) == {
        *("discovered", "phase", "progress", "stage", "verdict", "partial_failure"),
        *("alert", "lost", "contradicted", "removed", "source"),
    }


@pytest.mark.parametrize("name", ["openapi.json", "asyncapi.json"])
async def test_contracts_are_served_and_refer_to_nothing_missing(name: str) -> None:
    """The address of the contract answers with the file, and every reference in it leads somewhere."""
    document = contract(name)
    async with open_desk() as desk:
        assert await desk.get(f"/api/v1/{name}") == document

    def follow(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(target := node.get("$ref"), str):
                place = document
                for step in target.removeprefix("#/").split("/"):
                    place = place[step.replace("~1", "/").replace("~0", "~")]
            for value in node.values():
                follow(value)
        elif isinstance(node, list):
            for value in node:
                follow(value)

    follow(document)


def described(sent: dict[str, Any]) -> dict[str, Any]:
    """Instances are sent encoded already, so in the code's own schema they may be anything: here they are instances."""
    instances = {"type": "array", "items": {"$ref": "#/components/schemas/Instance"}}
    history = {"type": "array", "items": {"type": "object"}}
    for name, it in sent.items():
        for field, shape in it.get("properties", {}).items():
            if shape == {"type": "array", "items": {}}:
                it["properties"][field] = history if name == "Instance" else instances
    return sent


def take_over(name: str, shapes: dict[str, Any]) -> None:
    """Write the schemas of the code into a document."""
    document = contract(name)
    document["components"]["schemas"] |= shapes
    (STATIC / name).write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
