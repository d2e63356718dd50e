"""Refusals: one shape for every one of them, `{"error": {"code", "message"}}`, whoever raised it."""

import asyncio
from http import HTTPStatus

import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import UNSET, Struct, UnsetType

from monitor.engine.control import StoppingError, UnclearTargetError, UnknownSourceError
from monitor.engine.hearing import AskedSourceError, NotKeptError
from monitor.sources.base import BadJobError, NotOfferedError, Reason, Remark, SourceError
from monitor.storage.base import StorageError

log = structlog.get_logger(__name__)


class Fault(Struct, frozen=True, gc=False):
    """`code` is for programs, `message` for people. `reason` is a source's own, where a source refused; `faults` are
    all that is wrong with a job description."""

    code: str
    message: str
    reason: str | UnsetType = UNSET
    faults: tuple[Remark, ...] | UnsetType = UNSET


class Refusal(Struct, frozen=True, gc=False):
    """The body of every answer from 400 up."""

    error: Fault


class ApiError(Exception):
    """A request cannot be answered as asked."""

    def __init__(self, status: int, code: str, message: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.fault = Fault(code, message)
        self.headers = headers or {}


def bad_request(message: str) -> ApiError:
    """400: the request itself must change."""
    return ApiError(400, "bad_request", message)


def not_found(message: str) -> ApiError:
    """404: nothing is known under this name."""
    return ApiError(404, "not_found", message)


def conflict(message: str) -> ApiError:
    """409: it is not in a state that allows this."""
    return ApiError(409, "conflict", message)


def refuse(status: int, fault: Fault, headers: dict[str, str] | None = None) -> web.Response:
    """The answer that says no."""
    return web.Response(
        status=status, body=msgspec.json.encode(Refusal(fault)), content_type="application/json", headers=headers
    )


# What the daemon itself refuses, and under which word.
_OURS: dict[type[Exception], tuple[int, str]] = {
    UnknownSourceError: (404, "not_found"),
    UnclearTargetError: (400, "bad_request"),
    AskedSourceError: (409, "conflict"),
    NotKeptError: (503, "not_recorded"),
    StoppingError: (503, "stopping"),
}
_OF_REASON = {Reason.NOT_FOUND: (404, "not_found"), Reason.CONFLICT: (409, "conflict")}


def _of_source(error: SourceError) -> web.Response:
    if isinstance(error, NotOfferedError):
        return refuse(501, Fault("not_offered", str(error)))
    status, code = _OF_REASON.get(error.reason, (502, "source_failed"))
    headers = {"Retry-After": str(max(1, round(error.retry_after)))} if error.retry_after is not None else None
    return refuse(status, Fault(code, f"{error.reason}: {error}", error.reason.value), headers)


def _of_aiohttp(error: web.HTTPException, request: web.Request) -> web.Response:
    headers = {name: value for name, value in error.headers.items() if name in {"Allow", "Retry-After", "Upgrade"}}
    match error:
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            message = f"{request.method} is not answered at {request.path}: use {allowed}"
        case web.HTTPNotFound():
            message = f"nothing is at {request.path}: see /api/v1/openapi.json"
        case web.HTTPRequestEntityTooLarge():
            message = "the request body is too large: send at most 1 MiB"
        case _:
            message = error.reason
    return refuse(error.status, Fault(HTTPStatus(error.status).name.lower(), message), headers)


@web.middleware
async def answer_in_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into a refusal."""
    try:
        return await handler(request)
    except ApiError as error:
        return refuse(error.status, error.fault, error.headers)
    except tuple(_OURS) as error:
        status, code = _OURS[type(error)]
        return refuse(status, Fault(code, str(error)))
    except BadJobError as error:
        said = "; ".join(map(str, error.faults))
        return refuse(400, Fault("bad_job", f"the job description has faults: {said}", faults=error.faults))
    except SourceError as error:
        return _of_source(error)
    except StorageError as error:
        return refuse(503, Fault("storage_failed", str(error)))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _of_aiohttp(error, request)
    except (asyncio.CancelledError, ConnectionError):
        raise
    except Exception:  # our own bug: it is logged whole, and the person still gets an answer they can read
        log.exception("request_failed", method=request.method, path=request.path)
        if request.writer.output_size:
            raise  # the answer has begun: it can only be broken off
        return refuse(500, Fault("internal", "the daemon failed to answer; its log has the details"))
