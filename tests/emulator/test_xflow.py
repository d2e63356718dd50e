import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from monitor.emulator.errors import ServiceError
from monitor.emulator.xflow import read_workflow
from monitor.emulator.xmltext import parse_document

WORKFLOW = """<Instance><XflowInstance><Project>{project}</Project><Xflow>{name}</Xflow><Parameters>
<Parameter><Key>inputTableName</Key><Value>{source}</Value></Parameter>
<Parameter><Key>outputTableName</Key><Value>demo.numbered</Value></Parameter>
</Parameters><Config>{hints}</Config></XflowInstance></Instance>"""


def _body(
    project: str = "algo_public",
    name: str = "AppendID",
    source: str = "demo.pyodps_iris",
    hints: Mapping[str, str] = MappingProxyType({}),
) -> str:
    said = "".join(f"<Property><Name>{key}</Name><Value>{text}</Value></Property>" for key, text in hints.items())
    return WORKFLOW.format(project=project, name=name, source=source, hints=said)


def test_an_ordinary_job_is_no_workflow() -> None:
    """It is read elsewhere."""
    assert read_workflow(parse_document(b"<Instance><Job/></Instance>")) is None


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (_body(name="KMeans"), "has the algorithm AppendID of algo_public, not KMeans"),
        (_body(project="mine"), "not AppendID of mine"),
        (_body(source=""), "needs the parameter inputTableName"),
        (_body(source="a; drop table b"), "needs the parameter inputTableName"),
    ],
)
def test_what_the_emulator_does_not_have_is_refused(body: str, why: str) -> None:
    """By name."""
    with pytest.raises(ServiceError, match=why):
        read_workflow(parse_document(body.encode()))


async def _start(site: Any, body: str) -> str:
    """The id of the workflow."""
    reply = await site.ask("POST", "/projects/demo/instances", body)
    return str(reply.headers["Location"].rsplit("/", 1)[1])


async def _steps(site: Any, parent: str) -> dict[str, tuple[str, str]]:
    """Kind and id of what it has begun, by name."""
    results = (await site.get(f"/projects/demo/instances/{parent}?xresult")).xml
    return {
        action.findtext("Name", ""): (action.get("NodeType", ""), action.findtext("InstanceId", ""))
        for action in results.iterfind("Actions/Action")
    }


async def _step(site: Any, parent: str, name: str) -> str:
    """The id of a step as soon as it has begun."""
    steps = site.instance(parent).steps
    while not (found := [child for child in steps.begun if child.job.task == name]):  # noqa: ASYNC110 - no bell rings
        await asyncio.sleep(0)
    return str(found[0].id)


@pytest.mark.asyncio
async def test_a_workflow_really_runs(visit: Any) -> None:
    """Its steps make the table one after the other, one of them by a workflow of its own; the workflow has no stages
    and ends with the last."""
    async with visit(speed=1000) as site:
        parent = await _start(site, _body())
        assert await site.finished(parent) == "Success"
        steps = await _steps(site, parent)
        assert [(name, kind) for name, (kind, _) in steps.items()] == [
            ("start", "Local"),
            ("check", "Instance"),
            ("number", "SubWorkflow"),
            ("verify", "Instance"),
        ]
        inner = await _steps(site, steps["number"][1])
        assert [(name, kind) for name, (kind, _) in inner.items()] == [("start", "Local"), ("AppendID", "Instance")]
        for id_ in (steps["check"][1], steps["number"][1], inner["AppendID"][1], steps["verify"][1]):
            assert await site.finished(id_) == "Success"
        path = f"/projects/demo/instances/{parent}"
        assert len((await site.get(f"{path}?instanceprogress=AppendID&taskname=AppendID")).xml) == 0
        assert (await site.get(f"{path}?xsource")).find("XflowInstance/Xflow") == "AppendID"
        id_ = await site.submit("select max(append_id) as last, count(*) as n from numbered")
        await site.finished(id_)
        assert site.instance(id_).result.text == '"last","n"\n149,150\n'


@pytest.mark.asyncio
async def test_steps_appear_as_they_begin(visit: Any) -> None:
    """Each takes as long as the hint says, but the last one, which is over in a moment."""
    async with visit(speed=0) as site:
        parent = await _start(site, _body(hints={"emulator.seconds": "50"}))
        check = await _step(site, parent, "check")
        assert (await site.drafted(check)).plan.ends > 40
        assert list(await _steps(site, parent)) == ["start", "check"]
        await site.advance(60)
        inner = await _step(site, await _step(site, parent, "number"), "AppendID")
        await site.drafted(inner)
        await site.advance(60)
        assert (await site.drafted(await _step(site, parent, "verify"))).plan.ends < 1


@pytest.mark.asyncio
async def test_a_workflow_fails_with_its_step(visit: Any) -> None:
    """And repeats the reason; nothing begins behind it."""
    async with visit(speed=1000) as site:
        parent = await _start(site, _body(source="demo.nope"))
        assert await site.finished(parent) == "Failed"
        assert "table demo.nope cannot be resolved" in site.instance(parent).result.text
        assert list(await _steps(site, parent)) == ["start", "check"]


@pytest.mark.parametrize(("step", "begun"), [("AppendID", 2), ("verify", 3)])
@pytest.mark.asyncio
async def test_any_step_can_be_made_to_fail(visit: Any, step: str, begun: int) -> None:
    """By a hint; an inner workflow hands its failure on."""
    async with visit(speed=1000) as site:
        parent = await _start(site, _body(hints={"emulator.fails": step}))
        assert await site.finished(parent) == "Failed"
        assert f"pyodps_iris_of_{step}" in site.instance(parent).result.text
        assert len(await _steps(site, parent)) == 1 + begun


@pytest.mark.asyncio
async def test_stopping_a_workflow_stops_its_steps(visit: Any) -> None:
    """Those of an inner workflow, too: nothing goes on behind it, and nothing new begins."""
    async with visit(speed=0) as site:
        parent = await _start(site, _body())
        await site.drafted(await _step(site, parent, "check"))
        await site.advance(100)
        inner = await _step(site, await _step(site, parent, "number"), "AppendID")
        await site.drafted(inner)
        stop = "<Instance><Status>Terminated</Status></Instance>"
        assert (await site.ask("PUT", f"/projects/demo/instances/{parent}", stop)).status == 200
        await site.advance(1)
        assert await site.finished(inner) == "Cancelled"
        assert await site.finished(parent) == "Cancelled"
        assert list(await _steps(site, parent)) == ["start", "check", "number"]
