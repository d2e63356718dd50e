"""Query acceleration, asked over HTTP by somebody who shares no code with it."""

import json
from email.utils import formatdate
from typing import Any

import pytest

from monitor.emulator.jobs import Job
from monitor.emulator.sessions import connection
from tests.emulator.conftest import JOB, Site, sign

SESSION = JOB.replace("SQL>", "SQLRT>")
INSTANCES = "/projects/demo/instances"
NOTE = "<Instance><Key>query</Key><Value>{value}</Value></Instance>"
STOP = "<Instance><Status>Terminated</Status></Instance>"


async def _open(site: Site) -> str:
    """The path of a new session."""
    body = SESSION.format(query="", settings='{"odps.sql.session.share.id":"public.default"}', name="")
    reply = await site.ask("POST", INSTANCES, body)
    assert (reply.status, reply.text) == (201, "")
    return f"{INSTANCES}/{reply.headers['Location'].rsplit('/', 1)[1]}"


async def _info(site: Site, session: str, key: str) -> Any:
    text = (await site.get(f"{session}?info&taskname=AnonymousSQLTask&key={key}")).text
    return json.loads(text) if text else text


async def _query(site: Site, session: str, sql: str) -> Any:
    value = json.dumps({"query": sql, "settings": {"emulator.seconds": 5}})
    reply = await site.ask("PUT", f"{session}?info&taskname=AnonymousSQLTask", NOTE.format(value=value))
    if reply.status != 200:
        return reply
    said = json.loads(reply.text)
    assert said["status"] == "ok"
    return json.loads(said["result"])


@pytest.mark.asyncio
async def test_a_session_runs_queries(visit: Any) -> None:
    """It stays; each query has its number, and only the session's task tells of it."""
    async with visit(speed=0) as site:
        session = await _open(site)
        assert await _info(site, session, "status") == {"status": 2, "result": "Session name: public.default"}
        assert await _query(site, session, "select count(*) as n from pyodps_iris;") == {"queryId": 1, "status": 2}
        assert (await _query(site, session, "select * from nope;"))["queryId"] == 2
        running = {"status": 2, "result": "", "warnings": "", "subQueryId": 1}
        assert await _info(site, session, "result_1") == running
        for query in site.instance(session.rsplit("/", 1)[1]).queries or ():
            await site.drafted(query.id)
        await site.advance(60)
        assert await _info(site, session, "result_1") == {**running, "status": 5, "result": '"n"\n150\n'}
        failed = await _info(site, session, "result_2")
        assert failed["status"] == 4
        assert "table demo.nope cannot be resolved" in failed["result"]
        assert [await _info(site, session, f"result_{number}") for number in ("0", "3", "x")] == ["", "", ""]
        listed = (await site.get(INSTANCES)).find_all("Instance/Name")
        assert listed == [session.rsplit("/", 1)[1]]


@pytest.mark.asyncio
async def test_a_session_ends_with_all_its_queries(visit: Any) -> None:
    """And takes no more; what is no query is refused, and so is one for an instance that is no session."""
    async with visit(speed=0) as site:
        session = await _open(site)
        await _query(site, session, "select count(*) from pyodps_iris;")
        assert (await site.ask("PUT", session, STOP)).status == 200
        await site.advance(1)
        assert (await _info(site, session, "status"))["status"] == 6
        assert (await _info(site, session, "result_1"))["status"] == 6
        assert "has ended" in (await _query(site, session, "select 1;")).find("Message")
        other = await _open(site)
        for value in ("select 1", '{"settings":{}}', '{"query":1}', "[]"):
            target = f"{other}?info&taskname=AnonymousSQLTask"
            assert (await site.ask("PUT", target, NOTE.format(value=value))).status == 400
        ordinary = f"{INSTANCES}/{await site.submit('select 1')}"
        assert await _info(site, ordinary, "result_1") == ""


def _headers(method: str, target: str, connected: str) -> dict[str, str]:
    headers = {"Date": formatdate(usegmt=True), "Content-Type": "application/xml", "x-odps-mcqa-conn": connected}
    return {**headers, "Authorization": sign(method, target, headers)}


@pytest.mark.asyncio
async def test_an_accelerated_instance_runs_beside_the_others(visit: Any) -> None:
    """Who knows the connection reaches it; the plain path knows it once it has ended, and no listing does."""
    async with visit(speed=0) as site:
        told = json.loads((await site.get("/connection/mcqa?project=demo&quota=fast")).text)
        assert told == connection("demo", "fast")
        beside = f"/mcqa{INSTANCES}"
        body = JOB.format(query="select 42 as x", settings="{}", name="")
        reply = await site.ask("POST", beside, body, headers=_headers("POST", beside, told["connInfo"]))
        id_ = reply.headers["Location"].rsplit("/", 1)[1]
        assert (reply.status, reply.text, id_.endswith("_mcqa")) == (201, "", True)
        await site.drafted(id_)
        target = f"{beside}/{id_}"
        running = await site.get(target, headers=_headers("GET", target, told["connInfo"]))
        assert (running.find("Status"), running.headers["x-odps-mcqa-query-cookie"]) == ("Running", f"cookie-of-{id_}")
        lost = await site.get(target)
        assert (lost.status, "x-odps-mcqa-conn" in lost.find("Message")) == (400, True)
        assert (await site.get(f"{INSTANCES}/{id_}")).find("Code") == "NoSuchObject"
        assert (await site.get(INSTANCES)).find_all("Instance/Name") == []
        await site.advance(60)
        for path in (target, f"{INSTANCES}/{id_}"):
            ended = await site.get(path, headers=_headers("GET", path, told["connInfo"]))
            assert ended.find("Status") == "Terminated"
        put = await site.ask("PUT", target, STOP, headers=_headers("PUT", target, told["connInfo"]))
        assert put.find("Code") == "InvalidStateSetting"
        plain = f"{beside}/{await site.submit('select 1')}"
        assert (await site.get(plain, headers=_headers("GET", plain, told["connInfo"]))).status == 404


@pytest.mark.asyncio
async def test_a_session_has_its_own_kind_of_task(visit: Any) -> None:
    """And no plan to end."""
    async with visit(speed=1000) as site:
        service = site.emulator.maxcompute
        session = service.submit("demo", "me", Job("AnonymousSQLRTTask", "SQLRT"))
        assert (session.queries, service.book.ended(session)) == ([], False)
