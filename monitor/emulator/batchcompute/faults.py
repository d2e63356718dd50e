"""The faults of Batch Compute: those that every service has, and those that speak its words and its JSON."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web

from monitor.emulator.batchcompute.refusals import not_found
from monitor.emulator.batchcompute.wire import operation_of
from monitor.emulator.errors import ServiceError
from monitor.emulator.faults import (
    Fault,
    Hit,
    bad_gateway,
    clock_skew,
    huge_body,
    latency,
    reset,
    spoil,
    too_many_requests,
    truncated,
)

MARKED = ("ListJobs", "ListInstances")  # whose markers can be made up
LISTINGS = (*MARKED, "ListTasks")
OF_JOBS = (
    "GetJob",
    "GetJobDescription",
    "ChangeJobPriority",
    "DeleteJob",
    "StopJob",
    "StartJob",
    "ListTasks",
    "GetTask",
    "ListInstances",
    "GetInstance",
)
OF_EVERYBODY = ("GetQuotas", "GetAvailableResource", "ListClusters", "ListImages", "ListApps")
OPERATIONS = ("ListJobs", "CreateJob", *OF_JOBS, *OF_EVERYBODY)
# Two markers of every listing that are good at any time: no job is newer, and no instance has such a number.
_MARKERS = {"ListJobs": (f"job-{'F' * 32}", f"job-{'F' * 31}E"), "ListInstances": ("99999998", "99999999")}


async def _internal_error(_hit: Hit) -> web.StreamResponse:
    raise ServiceError(500, "InternalError", "The request processing has failed: the emulator was told to fail.")


async def _flow_exceeded(_hit: Hit) -> web.StreamResponse:
    raise ServiceError(400, "Throttling.User", "Request was denied due to user flow control.")


async def _expired_token(hit: Hit) -> web.StreamResponse:
    if "x-acs-security-token" not in hit.request.headers:
        return await hit.answer()  # whoever signs with a lasting key is not concerned
    raise ServiceError(400, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")


async def _forbidden(_hit: Hit) -> web.StreamResponse:
    raise ServiceError(403, "Forbidden.RAM", "User not authorized to operate on the specified resource.")


async def _no_such_object(_hit: Hit) -> web.StreamResponse:
    raise not_found()


async def _wrong_content(hit: Hit) -> web.StreamResponse:
    login = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><form></form></body></html>\n"
    kind, text = hit.chance.choice(
        (
            ("text/html", login),
            ("application/json", '{"success":true,"data":[]}'),
            ("application/json", '{"Items":{"Id":7},"NextMarker":[null]}'),
            ("application/json", "[1,2,3]"),
            ("application/json", ""),
        )
    )
    return web.Response(text=text, content_type=kind)


async def _repeated_marker(hit: Hit) -> web.StreamResponse:
    return await _with_marker(hit, 0)


async def _looping_markers(hit: Hit) -> web.StreamResponse:
    first, _ = _MARKERS[operation_of(hit.request)]
    return await _with_marker(hit, 1 if hit.request.query.get("Marker") == first else 0)


async def _duplicate_ids(hit: Hit) -> web.StreamResponse:
    return await _with_items(hit, lambda items: [*items, *items])


async def _vanishing(hit: Hit) -> web.StreamResponse:
    return await _with_items(hit, lambda items: [item for item in items if hit.chance.random() < 0.5])


async def _with_marker(hit: Hit, which: int) -> web.StreamResponse:
    marker = _MARKERS[operation_of(hit.request)][which]
    return await _rewritten(hit, lambda page: page | {"NextMarker": marker})


async def _with_items(hit: Hit, change: Callable[[Sequence[Any]], Sequence[Any]]) -> web.StreamResponse:
    return await _rewritten(hit, lambda page: page | {"Items": change(page["Items"])})


async def _rewritten(hit: Hit, change: Callable[[dict[str, Any]], dict[str, Any]]) -> web.StreamResponse:
    """A page with something else in it."""
    return await spoil(hit, lambda body: msgspec.json.encode(change(msgspec.json.decode(body))))


# The first stands nearest to the client, the last nearest to the service.
FAULTS: Mapping[str, Fault] = {
    "latency": Fault("answers come `delay` seconds later", latency, OPERATIONS),
    "bad_gateway": Fault("502, 503 or 504 with a gateway's page", bad_gateway, OPERATIONS),
    "too_many_requests": Fault(
        "429 with a gateway's page and Retry-After: `retry_after`", too_many_requests, OPERATIONS
    ),
    "reset": Fault("the connection is reset in the middle of a body", reset, OPERATIONS),
    "huge_body": Fault("`mebibytes` of white space in the document, their number not announced", huge_body, OPERATIONS),
    "truncated": Fault("good HTTP around a document that stops in the middle", truncated, OPERATIONS),
    "wrong_content": Fault("200 with a login page, other JSON or nothing", _wrong_content, OPERATIONS),
    "repeated_marker": Fault("every page of a listing leads to the same next one", _repeated_marker, MARKED),
    "looping_markers": Fault("pages of a listing lead to each other in a circle", _looping_markers, MARKED),
    "duplicate_ids": Fault("every row of a listing stands twice on its page", _duplicate_ids, LISTINGS),
    "vanishing": Fault("half of a listing's rows are missing, others each time", _vanishing, LISTINGS),
    "no_such_object": Fault("404 InvalidResource.NotFound for jobs that exist", _no_such_object, OF_JOBS),
    "internal_error": Fault("500 InternalError in the service's words", _internal_error, OPERATIONS),
    "flow_exceeded": Fault(
        "400 Throttling.User in the service's words, and no time is named", _flow_exceeded, OPERATIONS
    ),
    "expired_token": Fault("whoever brings an STS token is told that it has expired", _expired_token, OPERATIONS),
    "forbidden": Fault("403 Forbidden.RAM: a right is missing", _forbidden, OPERATIONS),
    "clock_skew": Fault("the service's clock is `offset` seconds ahead, for everybody at once", clock_skew, OPERATIONS),
}
