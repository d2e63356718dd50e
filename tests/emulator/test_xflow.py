from typing import Any

import pytest

from monitor.emulator.errors import ServiceError
from monitor.emulator.xflow import read_workflow
from monitor.emulator.xmltext import parse_document

WORKFLOW = """<Instance><XflowInstance><Project>{project}</Project><Xflow>{name}</Xflow><Parameters>
<Parameter><Key>inputTableName</Key><Value>{source}</Value></Parameter>
<Parameter><Key>outputTableName</Key><Value>demo.numbered</Value></Parameter>
</Parameters></XflowInstance></Instance>"""


def _body(project: str = "algo_public", name: str = "AppendID", source: str = "demo.pyodps_iris") -> str:
    return WORKFLOW.format(project=project, name=name, source=source)


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


async def _start(site: Any, body: str) -> tuple[str, str]:
    """Ids of the workflow and of its child."""
    reply = await site.ask("POST", "/projects/demo/instances", body)
    parent = reply.headers["Location"].rsplit("/", 1)[1]
    results = await site.get(f"/projects/demo/instances/{parent}?xresult")
    assert results.find_all("Actions/Action/Name") == ["start", "AppendID"]
    return parent, results.find_all("Actions/Action/InstanceId")[1]


@pytest.mark.asyncio
async def test_a_workflow_really_runs(visit: Any) -> None:
    """Its child makes the table; the workflow has no stages and ends with it."""
    async with visit(speed=1000) as site:
        parent, child = await _start(site, _body())
        assert await site.finished(parent) == "Success"
        assert await site.finished(child) == "Success"
        path = f"/projects/demo/instances/{parent}"
        assert len((await site.get(f"{path}?instanceprogress=AppendID&taskname=AppendID")).xml) == 0
        assert (await site.get(f"{path}?xsource")).find("XflowInstance/Xflow") == "AppendID"
        id_ = await site.submit("select max(append_id) as last, count(*) as n from numbered")
        await site.finished(id_)
        assert site.instance(id_).result.text == '"last","n"\n149,150\n'


@pytest.mark.asyncio
async def test_a_workflow_fails_with_its_child(visit: Any) -> None:
    """And repeats the reason."""
    async with visit(speed=1000) as site:
        parent, _ = await _start(site, _body(source="demo.nope"))
        assert await site.finished(parent) == "Failed"
        assert "table demo.nope cannot be resolved" in site.instance(parent).result.text


@pytest.mark.asyncio
async def test_stopping_a_workflow_stops_its_child(visit: Any) -> None:
    """Nothing goes on behind it."""
    async with visit(speed=0) as site:
        parent, child = await _start(site, _body())
        await site.drafted(child)
        stop = "<Instance><Status>Terminated</Status></Instance>"
        assert (await site.ask("PUT", f"/projects/demo/instances/{parent}", stop)).status == 200
        await site.advance(1)
        assert await site.finished(child) == "Cancelled"
        assert await site.finished(parent) == "Cancelled"
