"""The calls that concern one instance: `GET` and `PUT` of `/projects/{project}/instances/{id}` with their actions."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from monitor.emulator import documents, sessions, workers, xflow
from monitor.emulator.documents import Moment
from monitor.emulator.errors import ServiceError, bad_request
from monitor.emulator.instances import Instance, Steps
from monitor.emulator.jobs import source_of
from monitor.emulator.plan import Phase
from monitor.emulator.service import MaxCompute
from monitor.emulator.wire import Caller, action_of, base_url, xml
from monitor.emulator.xmltext import Element, parse_document

HOLD_SECONDS = 5.0  # for which `?instancestatus` waits for the end, real time
QUOTA_SECONDS = 30.0  # between two answers to `?instancequota`, real time
MAX_NOTES = 100
Action = Callable[[web.Request, Instance], Awaitable[web.Response]]


class InstanceApi:
    """Answers about instances of one service."""

    def __init__(self, service: MaxCompute) -> None:
        self._service = service
        self._actions: Mapping[str, Action] = {
            "": self._status,
            "instancestatus": self._held_status,
            "taskstatus": self._task_status,
            "result": self._result,
            "source": self._source,
            "instanceprogress": self._progress,
            "instancesummary": self._summary,
            "summary": self._summary,
            "instancedetail": self._instance_detail,
            "detail": self._detail,
            "cached": self._cached,
            "instancequota": self._quota,
            "info": self._info,
            "log": self._log,
            "xresult": self._workflow_results,
            "xsource": self._workflow_source,
        }

    async def get(self, request: web.Request, _caller: Caller) -> web.Response:
        """Whatever is asked of an instance."""
        return await self._get(request, self._instance(request))

    async def get_beside(self, request: web.Request, _caller: Caller) -> web.Response:
        """The same of one that runs in the query acceleration (MCQA v2)."""
        instance = self._instance(request, beside=True)
        response = await self._get(request, instance)
        response.headers[sessions.COOKIE] = f"cookie-of-{instance.id}"
        return response

    async def put(self, request: web.Request, _caller: Caller) -> web.Response:
        """Stops an instance, or leaves a note with its task."""
        return await self._put(request, self._instance(request))

    async def put_beside(self, request: web.Request, _caller: Caller) -> web.Response:
        """The same of one that runs in the query acceleration (MCQA v2)."""
        return await self._put(request, self._instance(request, beside=True))

    async def _get(self, request: web.Request, instance: Instance) -> web.Response:
        return await self._actions[action_of(request.query)](request, instance)

    async def _put(self, request: web.Request, instance: Instance) -> web.Response:
        root = parse_document(await request.read())
        if "info" in request.query:
            return self._put_info(request, instance, root)
        if root.name != "Instance" or root.text_of("Status").lower() != "terminated":
            raise bad_request("an instance can only be set to <Instance><Status>Terminated</Status></Instance>")
        self._service.stop(instance)
        return web.Response()

    def _instance(self, request: web.Request, *, beside: bool = False) -> Instance:
        project = request.match_info["project"]
        if beside:
            sessions.require_connection(request.headers, project)
        instance = self._service.require(project, request.match_info["id"])
        sessions.require_path(instance, beside=beside, ended=self._service.book.ended(instance))
        return instance

    def _moment(self, instance: Instance) -> Moment:
        return Moment(instance, self._service.clock)

    async def _status(self, _request: web.Request, instance: Instance) -> web.Response:
        moment = self._moment(instance)
        headers = {"x-odps-owner": instance.owner, "x-odps-start-time": moment.submitted}
        headers["x-odps-end-time"] = moment.ended
        return xml(documents.status(moment), headers)

    async def _held_status(self, request: web.Request, instance: Instance) -> web.Response:
        await self._service.book.wait_for_end(instance, HOLD_SECONDS)
        return await self._status(request, instance)

    async def _task_status(self, _request: web.Request, instance: Instance) -> web.Response:
        return xml(documents.task_status(self._moment(instance)))

    async def _result(self, _request: web.Request, instance: Instance) -> web.Response:
        return xml(documents.result(self._moment(instance)))

    async def _source(self, _request: web.Request, instance: Instance) -> web.Response:
        return xml(documents.DECLARATION + source_of(instance.job))

    async def _progress(self, request: web.Request, instance: Instance) -> web.Response:
        _require_task(request, instance, otherwise=request.query["instanceprogress"])
        return xml(documents.progress(self._moment(instance).stages()))

    async def _summary(self, request: web.Request, instance: Instance) -> web.Response:
        _require_task(request, instance)
        moment = self._moment(instance)
        finalized = "true" if moment.phase is Phase.ENDED else "false"
        return _json(workers.summary(moment), {"x-odps-task-finalized": finalized})

    async def _instance_detail(self, request: web.Request, instance: Instance) -> web.Response:
        _require_task(request, instance)
        return _json(workers.instance_detail(self._moment(instance)))

    async def _detail(self, request: web.Request, instance: Instance) -> web.Response:
        _require_task(request, instance)
        return _json(workers.detail(self._moment(instance)))

    async def _cached(self, _request: web.Request, instance: Instance) -> web.Response:
        live = instance.id in self._service.book.live(instance.project)
        body = documents.live_row(self._moment(instance)) if live else "{}"
        return web.Response(text=body, content_type="application/json")

    async def _quota(self, request: web.Request, instance: Instance) -> web.Response:
        _require_task(request, instance)
        now = self._service.clock.wall()
        if now - instance.quota_asked < QUOTA_SECONDS:
            return _json({})
        instance.quota_asked = now
        return _json(workers.quota(self._moment(instance)))

    async def _info(self, request: web.Request, instance: Instance) -> web.Response:
        _require_task(request, instance)
        key = request.query.get("key", "")
        if instance.queries is not None and (told := self._service.sessions.info(instance, key)) is not None:
            return web.Response(text=told, content_type="text/plain")
        otherwise = '{"warnings":[]}' if key == "warnings" else ""
        return web.Response(text=instance.notes.get(key, otherwise), content_type="text/plain")

    def _put_info(self, request: web.Request, instance: Instance, root: Element) -> web.Response:
        _require_task(request, instance)
        key = root.text_of("Key")
        if not key:
            raise bad_request("a note about a task is <Instance><Key>..</Key><Value>..</Value></Instance>")
        answer = '{"status":"ok","result":""}'
        if instance.queries is not None and key == "query":
            answer = self._service.sessions.query(instance, root.text_of("Value"))
        else:
            if len(instance.notes) >= MAX_NOTES and key not in instance.notes:
                raise bad_request(f"the task holds {MAX_NOTES} notes already")
            instance.notes[key] = root.text_of("Value")
        return web.Response(
            text=answer,
            headers={"Location": f"{base_url(request)}{request.path}"},
        )

    async def _log(self, request: web.Request, instance: Instance) -> web.Response:
        log_id, kind = request.query.get("id", ""), request.query.get("logtype", "stdout")
        text = workers.log_of(self._moment(instance), log_id, kind)
        if text is None:
            raise ServiceError(404, "NoSuchObject", f"ODPS-0420095: no worker of this instance has the log '{log_id}'")
        return web.Response(text=text)

    async def _workflow_results(self, _request: web.Request, instance: Instance) -> web.Response:
        return xml(xflow.results(_steps(instance)))

    async def _workflow_source(self, _request: web.Request, instance: Instance) -> web.Response:
        return xml(documents.DECLARATION + _steps(instance).source)


def _steps(instance: Instance) -> Steps:
    if instance.steps is None:
        raise bad_request(f"instance '{instance.id}' is not a workflow: it was not started with <XflowInstance>")
    return instance.steps


def _require_task(request: web.Request, instance: Instance, otherwise: str = "") -> None:
    name = request.query.get("taskname") or otherwise
    if name and name != instance.job.task:
        raise ServiceError(
            404,
            "NoSuchTask",
            f"ODPS-0420095: Task not found - '{name}'; the task of this instance is '{instance.job.task}'",
        )


def _json(value: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(text=json.dumps(value), content_type="application/json", headers=headers)
