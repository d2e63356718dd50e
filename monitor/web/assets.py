"""The dashboard's files: read once at the start, small enough to keep, each with its fingerprint."""

import gzip
from hashlib import blake2b
from pathlib import Path

from aiohttp import web
from msgspec import Struct

from monitor.web.errors import not_found

FOLDER = Path(__file__).parent / "static"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


class Asset(Struct, frozen=True, gc=False):
    """One file as it is sent."""

    body: bytes
    zipped: bytes
    content_type: str
    etag: str


class Assets:
    """Every file of the folder by name. There are no folders within, so no path can lead out."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._assets = {path.name: _read(path) for path in sorted(folder.iterdir()) if path.suffix in TYPES}

    def send(self, request: web.Request, name: str) -> web.Response:
        """The file, or 304 if the browser has this very one. Browsers ask each time, so an upgrade shows at once."""
        asset = self._assets.get(name)
        if asset is None:
            raise not_found(f"there is no file {name[:100]!r}")
        zip_it = "gzip" in request.headers.get("Accept-Encoding", "")
        headers = {
            "Cache-Control": "no-cache",
            "ETag": asset.etag,
            "Vary": "Accept-Encoding",
            "Content-Type": asset.content_type,
        }
        if asset.etag in request.headers.get("If-None-Match", ""):
            del headers["Content-Type"]
            return web.Response(status=304, headers=headers)
        if zip_it:
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=asset.zipped if zip_it else asset.body, headers=headers)


def _read(path: Path) -> Asset:
    body = path.read_bytes()
    etag = f'"{blake2b(body, digest_size=12).hexdigest()}"'
    return Asset(body, gzip.compress(body, mtime=0), TYPES[path.suffix], etag)
