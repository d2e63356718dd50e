"""What every request to the MaxCompute service goes through: an id, the count, who sent it, errors as documents."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import TypeAlias

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from monitor.emulator import documents
from monitor.emulator.errors import ServiceError
from monitor.emulator.service import SECRET, MaxCompute, owner_of
from monitor.emulator.signature import SignedRequest, access_id_of
from monitor.emulator.tokens import Grant

PREFIX = "/api"

# What is asked of an instance, in the order in which the keys of the query are looked for.
INSTANCE_ACTIONS = (
    "taskstatus",
    "result",
    "source",
    "instanceprogress",
    "instancesummary",
    "summary",
    "instancedetail",
    "detail",
    "cached",
    "instancequota",
    "info",
    "log",
    "xresult",
    "xsource",
    "instancestatus",
)
_HTTP_CODES = {404: "NoSuchObject", 405: "MethodNotAllowed"}
# What must be allowed; all other operations read, and need `odps:Read`.
_ACTIONS = {
    "list": "odps:List",
    "cachedinstances": "odps:List",
    "submit": "odps:CreateInstance",
    "stop": "odps:Write",
    "put_info": "odps:Write",
    "authorization": "odps:Grant",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request; `grant` limits those who came with a token."""

    owner: str
    grant: Grant | None = None


AuthenticatedHandler: TypeAlias = Callable[[web.Request, Caller], Awaitable[web.StreamResponse]]


def action_of(query: Mapping[str, str]) -> str:
    """What is asked of an instance; empty for its plain status. A key counts with or without a value."""
    return next((action for action in INSTANCE_ACTIONS if action in query), "")


def operation_of(request: web.Request) -> str:
    """The name under which a request is counted."""
    resource = request.match_info.route.resource
    name = ((resource.name if resource else None) or "unknown").removeprefix("mcqa_")
    if name == "instances":
        return "submit" if request.method == "POST" else "list"
    if name == "instance":
        if request.method == "PUT":
            return "put_info" if "info" in request.query else "stop"
        action = action_of(request.query)
        return action if action and action != "instancestatus" else "status"
    return name


def right_of(request: web.Request) -> tuple[str, str]:
    """The action that a request needs a right to, and on what."""
    resource = request.path.removeprefix(f"{PREFIX}/").removeprefix("mcqa/")
    return _ACTIONS.get(operation_of(request), "odps:Read"), resource


class Door:
    """Lets requests in to one service."""

    def __init__(self, service: MaxCompute) -> None:
        self._service = service
        self._ids = count(1)
        self._run = f"{service.chance.getrandbits(48):012X}"

    def middleware(self) -> Middleware:
        """Numbers and counts requests, and turns refusals of every kind into the service's error documents."""

        @web.middleware
        async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
            request_id = f"{self._run}{next(self._ids):012X}"
            self._service.log.add(operation_of(request))
            try:
                response = await handler(request)
            except ServiceError as error:
                response = _refusal(request, error, request_id)
            except web.HTTPException as error:
                code = _HTTP_CODES.get(error.status, "InvalidParameter")
                what = f"{request.method} {request.path} - {error.reason}"
                response = _refusal(request, ServiceError(error.status, code, what), request_id)
            response.headers["x-odps-request-id"] = request_id
            return response

        return answer

    def known(self, handler: AuthenticatedHandler) -> Handler:
        """A handler that only those reach whose signature or token is right."""

        async def authenticated(request: web.Request) -> web.StreamResponse:
            return await handler(request, self._caller(request))

        return authenticated

    def _caller(self, request: web.Request) -> Caller:
        now = self._service.clock.wall()
        token = request.headers.get("x-odps-bearer-token") or request.query.get("authorization_token")
        if token:
            grant = self._service.tokens.grant_of(token, now)
            action, resource = right_of(request)
            if not grant.allows(action, resource):
                raise ServiceError(
                    403,
                    "NoPermission",
                    f"ODPS-0130013:Authorization exception - the bearer token does not allow {action} on {resource}",
                )
            return Caller(grant.principal, grant)
        path, _, query = request.raw_path.partition("?")
        headers = {name.lower(): value for name, value in request.headers.items()}
        signed = SignedRequest(request.method, path.removeprefix(PREFIX), query, headers)
        return Caller(owner_of(access_id_of(signed, SECRET, now)))


def base_url(request: web.Request) -> str:
    """The emulator's own address, as the client wrote it."""
    return f"{request.scheme}://{request.host}"


def xml(text: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer in XML."""
    return web.Response(body=text.encode(), content_type="application/xml", charset="utf-8", headers=headers)


def _refusal(request: web.Request, error: ServiceError, request_id: str) -> web.Response:
    body = documents.error(error.code, error.message, request_id, base_url(request))
    response = xml(body)
    response.set_status(error.status)
    return response
