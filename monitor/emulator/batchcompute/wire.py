"""What every request to the Batch Compute service goes through: an id, the count, who sent it, errors as JSON."""

import zlib
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from typing import Any, TypeAlias

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from monitor.emulator.batchcompute.refusals import not_found
from monitor.emulator.batchcompute.service import SECRET, BatchCompute
from monitor.emulator.batchcompute.signature import SignedRequest, access_id_of
from monitor.emulator.errors import ServiceError

AuthenticatedHandler: TypeAlias = Callable[[web.Request, int], Awaitable[web.StreamResponse]]
UNKNOWN = "Unknown"


def operation_of(request: web.Request) -> str:
    """The service's name of what is asked, under which a request is counted."""
    resource = request.match_info.route.resource
    name = (resource.name if resource else None) or UNKNOWN
    by_method = {
        "jobs": {"GET": "ListJobs", "POST": "CreateJob"},
        "job": {
            "GET": "GetJobDescription" if "description" in request.query else "GetJob",
            "PUT": "ChangeJobPriority",
            "DELETE": "DeleteJob",
        },
    }
    return by_method[name].get(request.method, UNKNOWN) if name in by_method else name


class Door:
    """Lets requests in to one service."""

    def __init__(self, service: BatchCompute) -> None:
        self._service = service
        self._ids = count(1)
        self._run = service.chance.getrandbits(32)

    def middleware(self) -> Middleware:
        """Numbers and counts requests, and turns refusals of every kind into the service's error documents."""

        @web.middleware
        async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
            request_id = f"{self._run:08X}-0000-4000-8000-{next(self._ids):012X}"
            self._service.log.add(operation_of(request))
            try:
                response = await handler(request)
            except ServiceError as error:
                response = _refusal(request, error, request_id)
            except web.HTTPNotFound:
                response = _refusal(request, not_found(), request_id)
            except web.HTTPException as error:
                what = f"{request.method} {request.path}: {error.reason}."
                response = _refusal(request, ServiceError(error.status, "InvalidParameter", what), request_id)
            response.headers["x-acs-request-id"] = request_id
            return response

        return answer

    def known(self, handler: AuthenticatedHandler) -> Handler:
        """A handler that only programs reach, and of those only whose signature is right.

        Everybody knows the secret, and jobs run programs: so no web page may submit one that a browser on this machine
        has open, whatever name it gave this address.
        """

        async def authenticated(request: web.Request) -> web.StreamResponse:
            if "Origin" in request.headers:
                raise ServiceError(403, "Forbidden", "This service answers programs, not web pages.")
            headers = {name.lower(): value for name, value in request.headers.items()}
            signed = SignedRequest(request.method, request.raw_path, headers)
            return await handler(request, owner_of(access_id_of(signed, SECRET, self._service.clock.wall())))

        return authenticated


def owner_of(access_id: str) -> int:
    """The account number that belongs to an access id."""
    return 1_000_000_000_000_000 + zlib.crc32(access_id.encode("utf-8", "surrogateescape"))


def answer(value: Mapping[str, Any], status: int = 200) -> web.Response:
    """An answer in JSON."""
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")


def _refusal(request: web.Request, error: ServiceError, request_id: str) -> web.Response:
    body = {"HostId": request.host, "Code": error.code, "Message": error.message, "RequestId": request_id}
    return answer(body, error.status)
