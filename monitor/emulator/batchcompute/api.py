"""The calls of the Batch Compute service: its routes, and what is answered about jobs, tasks and instances."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence

from aiohttp import web
from aiohttp.typedefs import Middleware

from monitor.emulator.batchcompute import catalog, documents
from monitor.emulator.batchcompute.bodies import read_object
from monitor.emulator.batchcompute.book import Job
from monitor.emulator.batchcompute.description import priority_of, read_description
from monitor.emulator.batchcompute.paging import cut, max_items_of, number_of
from monitor.emulator.batchcompute.refusals import invalid, not_found
from monitor.emulator.batchcompute.service import BatchCompute
from monitor.emulator.batchcompute.views import LIVE, InstanceView, State, TaskView
from monitor.emulator.batchcompute.wire import Door, answer

_INLINE_BYTES = 100_000  # larger submissions are checked in a thread
_STATES = {state.lower(): state for state in State}


def build_apps(service: BatchCompute, interceptors: Sequence[Middleware] = ()) -> Mapping[str, web.Application]:
    """The service, as an application for every first segment of its paths. Interceptors see every request before its
    sender is known; they may answer themselves, delay, or raise ServiceError."""
    door, api = Door(service), JobApi(service)
    apps = {}
    for prefix in ("/jobs", *catalog.ANSWERS):
        apps[prefix] = web.Application(middlewares=[door.middleware(), *interceptors])
    for prefix, (operation, value) in catalog.ANSWERS.items():
        apps[prefix].router.add_get("", door.known(catalog.telling(value)), name=operation)
    routes = apps["/jobs"].router
    jobs = routes.add_resource("", name="jobs")
    jobs.add_route("GET", door.known(api.list_jobs))
    jobs.add_route("POST", door.known(api.create))
    job = routes.add_resource("/{id}", name="job")
    job.add_route("GET", door.known(api.job))
    job.add_route("PUT", door.known(api.change_priority))
    job.add_route("DELETE", door.known(api.delete))
    routes.add_post("/{id}/stop", door.known(api.stop), name="StopJob")
    routes.add_post("/{id}/start", door.known(api.start), name="StartJob")
    routes.add_get("/{id}/tasks", door.known(api.list_tasks), name="ListTasks")
    routes.add_get("/{id}/tasks/{task}", door.known(api.task), name="GetTask")
    routes.add_get("/{id}/tasks/{task}/instances", door.known(api.list_instances), name="ListInstances")
    routes.add_get("/{id}/tasks/{task}/instances/{number}", door.known(api.instance), name="GetInstance")
    return apps


class JobApi:
    """Answers about the jobs of one service."""

    def __init__(self, service: BatchCompute) -> None:
        self._service = service

    async def create(self, request: web.Request, owner: int) -> web.Response:
        """Takes a job in."""
        body = await request.read()
        small = len(body) < _INLINE_BYTES
        description = read_description(body) if small else await asyncio.to_thread(read_description, body)
        return answer({"Id": self._service.submit(owner, description, request.query.get("IdempotentToken", ""))}, 201)

    async def list_jobs(self, request: web.Request, _owner: int) -> web.Response:
        """Jobs, newest first, or oldest first with `IsReverse`."""
        query = request.query
        size, state = max_items_of(query.get("MaxItemCount", "")), _state_of(query)
        if query.get("OrderBy", "") not in ("", "CreationTime"):
            raise invalid("OrderBy", "Jobs are ordered by CreationTime.")
        oldest_first = query.get("IsReverse", "").lower() == "true"
        first = number_of(query["Marker"]) if query.get("Marker") else None
        book = self._service.book
        among: Iterable[Job] = book.live() if state in LIVE else book.all()
        if not oldest_first:
            among = reversed(list(among))
        cluster, project = query.get("ClusterId", ""), query.get("ProjectId", "")
        fitting = (
            job
            for job in among
            if not job.hidden
            and (first is None or (job.number >= first if oldest_first else job.number <= first))
            and (state is None or job.course.state is state)
            and (not cluster or cluster in job.course.clusters)
            and not project  # no job of this service belongs to one
        )
        page = cut(fitting, size)
        return answer(
            {
                "NextMarker": page.beyond.id if page.beyond else "",
                "Items": [documents.job(job) for job in page.items],
            }
        )

    async def job(self, request: web.Request, _owner: int) -> web.Response:
        """A job as it stands, or what was submitted."""
        job = self._job(request)
        return answer(documents.description(job) if "description" in request.query else documents.job(job))

    async def change_priority(self, request: web.Request, _owner: int) -> web.Response:
        """Another priority for a job that can be started again."""
        body = read_object(await request.read() or b"{}", 'an object such as {"Priority": 1}')
        self._service.prioritise(self._job(request), priority_of(body))
        return web.Response()

    async def delete(self, request: web.Request, _owner: int) -> web.Response:
        """Forgets a job that has ended."""
        self._service.delete(self._job(request))
        return web.Response(status=204)

    async def stop(self, request: web.Request, _owner: int) -> web.Response:
        """Ends a live job."""
        await self._service.stop(self._job(request))
        return web.Response(status=201)

    async def start(self, request: web.Request, _owner: int) -> web.Response:
        """Runs again what did not finish."""
        await self._service.start(self._job(request))
        return web.Response(status=201)

    async def list_tasks(self, request: web.Request, _owner: int) -> web.Response:
        """The tasks of a job, in the order of its description."""
        query, tasks = request.query, self._job(request).course.view().tasks
        size, state, marker = max_items_of(query.get("MaxItemCount", "")), _state_of(query), query.get("Marker", "")
        names = [task.name for task in tasks]
        if marker and marker not in names:
            raise invalid("Marker", f"It must be the name of a task of this job, not '{marker[:80]}'.")
        rest = tasks[names.index(marker) :] if marker else tasks
        page = cut((task for task in rest if state is None or task.state is state), size)
        items = [documents.task(task) for task in page.items]
        return answer({"NextMarker": page.beyond.name if page.beyond else "", "Items": items})

    async def task(self, request: web.Request, _owner: int) -> web.Response:
        """One task."""
        return answer(documents.task(self._task(request)))

    async def list_instances(self, request: web.Request, _owner: int) -> web.Response:
        """The instances of a task by number."""
        query = request.query
        size, state, marker = max_items_of(query.get("MaxItemCount", "")), _state_of(query), query.get("Marker", "")
        if marker and not (marker.isascii() and marker.isdecimal()):
            raise invalid("Marker", f"It must be the id of an instance, not '{marker[:80]}'.")
        rest = self._instances(request, int(marker[:9] or 0))
        page = cut((one for one in rest if state is None or one.state is state), size)
        items = [documents.instance(one) for one in page.items]
        return answer({"NextMarker": str(page.beyond.number) if page.beyond else "", "Items": items})

    async def instance(self, request: web.Request, _owner: int) -> web.Response:
        """One instance."""
        number = request.match_info["number"]
        if not (number.isascii() and number.isdecimal()):
            raise not_found()
        one = next(self._instances(request, int(number[:9])), None)
        if one is None:
            raise not_found()
        return answer(documents.instance(one))

    def _job(self, request: web.Request) -> Job:
        return self._service.require(request.match_info["id"])

    def _task(self, request: web.Request) -> TaskView:
        name = request.match_info["task"]
        for task in self._job(request).course.view().tasks:
            if task.name == name:
                return task
        raise not_found()

    def _instances(self, request: web.Request, first: int) -> Iterator[InstanceView]:
        return self._job(request).course.instances(self._task(request).name, first)


def _state_of(query: Mapping[str, str]) -> State | None:
    text = query.get("State", "")
    if text and text.lower() not in _STATES:
        raise invalid("State", f"It must be one of {', '.join(State)}, not '{text[:50]}'.")
    return _STATES.get(text.lower())
