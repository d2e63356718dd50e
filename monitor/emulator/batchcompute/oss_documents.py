"""What OSS says in XML: the pages of a bucket's listing, in both versions, and refusals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from monitor.emulator.batchcompute.objects import Stored
from monitor.emulator.errors import ServiceError
from monitor.emulator.xmltext import escape

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_MAX_KEYS = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client asks of a listing. `after` is the key, or the common prefix, that the page begins behind."""

    prefix: str
    delimiter: str
    after: str
    most: int
    second: bool  # version 2 of the listing
    encoded: bool

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "Wanted":
        """Raises ServiceError for a number of keys that is none."""
        most = query.get("max-keys") or "100"
        if not (most.isascii() and most.isdecimal()) or not 0 < int(most[:5]) <= _MAX_KEYS:
            raise ServiceError(400, "InvalidArgument", f"max-keys must be between 1 and {_MAX_KEYS}.")
        second = query.get("list-type") == "2"
        after = query.get("continuation-token") or query.get("start-after") if second else query.get("marker")
        encoded = query.get("encoding-type") == "url"
        return cls(query.get("prefix", ""), query.get("delimiter", ""), after or "", int(most), second, encoded)


@dataclass(frozen=True, slots=True)
class Page:
    """The keys and common prefixes of one page, in order, and where the next begins; "" if this is the last."""

    keys: Sequence[str]
    prefixes: Sequence[str]
    following: str


def page_of(keys: Sequence[str], wanted: Wanted) -> Page:
    """The wanted part of keys that are in order and have the wanted prefix."""
    own: list[str] = []
    prefixes: list[str] = []
    last = ""
    for key in keys:
        stem, cut, _ = key[len(wanted.prefix) :].partition(wanted.delimiter) if wanted.delimiter else ("", "", "")
        entry = f"{wanted.prefix}{stem}{cut}" if cut else key
        if entry.encode() <= wanted.after.encode() or (cut and entry == last):
            continue
        if len(own) + len(prefixes) == wanted.most:
            return Page(own, prefixes, last)
        (prefixes if cut else own).append(entry)
        last = entry
    return Page(own, prefixes, "")


def document(bucket: str, wanted: Wanted, page: Page, describe: Callable[[str], Stored | None]) -> str:
    """The page as a document. `describe` tells about a key, or None if it has gone meanwhile."""

    def text(value: str) -> str:
        return quote(value, safe="") if wanted.encoded else escape(value)

    head = {"Name": bucket, "Prefix": text(wanted.prefix), "MaxKeys": str(wanted.most)}
    head["Delimiter"] = text(wanted.delimiter)
    head["IsTruncated"] = "true" if page.following else "false"
    if wanted.encoded:
        head["EncodingType"] = "url"
    if wanted.second:
        head["KeyCount"] = str(len(page.keys) + len(page.prefixes))
        if page.following:
            head["NextContinuationToken"] = text(page.following)
    else:
        head |= {"Marker": text(wanted.after), "NextMarker": text(page.following)}
    lines = [f"  <{name}>{value}</{name}>\n" for name, value in head.items()]
    lines += [_contents(stored, text) for stored in map(describe, page.keys) if stored is not None]
    lines += [f"  <CommonPrefixes><Prefix>{text(prefix)}</Prefix></CommonPrefixes>\n" for prefix in page.prefixes]
    return f"{_DECLARATION}<ListBucketResult>\n{''.join(lines)}</ListBucketResult>\n"


def refusal(error: ServiceError, request_id: str, host: str) -> str:
    """An error as a document."""
    parts = {"Code": error.code, "Message": error.message, "RequestId": request_id, "HostId": host}
    lines = "".join(f"  <{name}>{escape(value)}</{name}>\n" for name, value in parts.items())
    return f"{_DECLARATION}<Error>\n{lines}</Error>\n"


def _contents(stored: Stored, text: Callable[[str], str]) -> str:
    moment = datetime.fromtimestamp(stored.modified, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return (
        f'  <Contents><Key>{text(stored.key)}</Key><LastModified>{moment}</LastModified><ETag>"{stored.etag}"</ETag>'
        f"<Type>Normal</Type><Size>{stored.size}</Size><StorageClass>Standard</StorageClass>"
        "<Owner><ID>1000000000000001</ID><DisplayName>emulator</DisplayName></Owner></Contents>\n"
    )
