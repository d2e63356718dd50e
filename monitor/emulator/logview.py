"""LogView: one page about one instance, opened with the token in its address."""

from html import escape
from urllib.parse import unquote

from aiohttp import web

from monitor.emulator.documents import Moment
from monitor.emulator.errors import ServiceError
from monitor.emulator.plan import Phase, StageView
from monitor.emulator.service import MaxCompute

PREFIX = "/logview"
_STYLE = "body{font:15px sans-serif;margin:2em}td,th{padding:.2em 1em;text-align:left}pre{background:#eee;padding:1em}"


def build_app(service: MaxCompute) -> web.Application:
    """The page, at `/?h=ENDPOINT&p=PROJECT&i=ID&token=TOKEN`."""

    async def show(request: web.Request) -> web.Response:
        project, id_ = request.query.get("p", ""), request.query.get("i", "")
        try:
            grant = service.tokens.grant_of(_token(request), service.clock.wall())
            if not grant.allows("odps:Read", f"projects/{project}/instances/{id_}"):
                raise ServiceError(403, "NoPermission", "this token is for another instance")
            body, status = _page(Moment(service.require(project, id_), service.clock)), 200
        except ServiceError as error:
            body, status = (
                _document("LogView", f"<h1>{escape(error.code)}</h1><p>{escape(error.message)}</p>"),
                error.status,
            )
        return web.Response(text=body, content_type="text/html", status=status)

    app = web.Application()
    app.router.add_get("/", show)
    return app


def _token(request: web.Request) -> str:
    """Clients put the token into the address as it is, and a `+` in it would read as a space."""
    pairs = (pair.partition("=") for pair in request.rel_url.raw_query_string.split("&"))
    return next((unquote(value) for key, _, value in pairs if key == "token"), "")


def _page(moment: Moment) -> str:
    instance = moment.instance
    rows = "".join(map(_row, moment.stages())) or "<tr><td colspan=6>no stages yet</td></tr>"
    text = instance.result.text if moment.phase is Phase.ENDED else ""
    return _document(
        instance.id,
        f"<h1>{escape(instance.id)}</h1><p>{escape(instance.job.task)}: <b>{moment.task_status}</b>, "
        f"owner {escape(instance.owner)}, submitted {moment.submitted}</p>"
        "<table><tr><th>stage<th>status<th>running<th>done<th>total<th>%</tr>"
        f"{rows}</table><pre>{escape(instance.job.query)}</pre><pre>{escape(text)}</pre>",
        refresh=moment.phase is not Phase.ENDED,
    )


def _row(view: StageView) -> str:
    cells = (view.name, view.status, view.running, view.terminated, view.total, view.percent)
    return "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + "</tr>"


def _document(title: str, body: str, *, refresh: bool = False) -> str:
    again = '<meta http-equiv="refresh" content="5">' if refresh else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>{again}'
        f"<style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )
