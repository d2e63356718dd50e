"""Takes the text of `<Content>` out of the listing of queued and running instances, mostly without the parser.

That text is half a megabyte of JSON in a few hundred bytes of XML, and a parser turns every byte of it over. Where what
it would make of them is beyond doubt, they are cut out, and only the rest is parsed; in any doubt everything is.
"""

import re
from xml.etree.ElementTree import Element

from monitor.sources.maxcompute.markup import parse

_OPEN, _CLOSE = b"<Content>", b"</Content>"
_CDATA, _CDATA_ENDS = b"<![CDATA[", b"]]>"
_UTF8 = re.compile(rb"""<\?xml version=["']1\.0["'](?: encoding=["'][Uu][Tt][Ff]-8["'])? ?\?>""")
_PLAIN = re.compile(rb"[\t\n -~]*+")
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&"))  # `&` last, for `&amp;lt;`


def open_envelope(body: bytes, root: str) -> tuple[Element, str | None]:
    """The root element, and the text of its `<Content>`, None where it has none. Raises SourceError(MALFORMED).

    One thing that a parser would refuse may be left in the text, because whoever reads JSON has to refuse it as well:
    control characters.
    """
    begin, end = body.find(_OPEN) + len(_OPEN), body.rfind(_CLOSE)
    if len(_OPEN) <= begin <= end:
        rest = body[:begin] + body[end:]
        text = _text(body, begin, end) if _is_plain(rest) else None
        if text is not None:
            top = parse(rest, root)
            return top, None if top.find("Content") is None else text
    top = parse(body, root)
    return top, top.findtext("Content")


def _is_plain(rest: bytes) -> bool:
    """Whether these are elements and text in ASCII and nothing else, so that the tags in it are what they look like."""
    declared = _UTF8.match(rest)
    begin = declared.end() if declared else 0
    return (
        _PLAIN.fullmatch(rest, begin) is not None
        and rest.find(b"<!", begin) < 0
        and rest.find(b"<?", begin) < 0
        and rest.count(b"<Content", begin) == 1
    )


def _text(body: bytes, begin: int, end: int) -> str | None:
    """What a parser makes of this inside of an element, or None where only a parser can tell."""
    in_cdata = body.startswith(_CDATA, begin, end) and body.endswith(_CDATA_ENDS, begin, end)
    if in_cdata:
        begin, end = begin + len(_CDATA), end - len(_CDATA_ENDS)
    if any(body.find(odd, begin, end) >= 0 for odd in (b"<", b">", b"\r")):
        return None
    try:
        text = str(memoryview(body)[begin:end], "utf-8")
    except UnicodeDecodeError:
        return None
    if text.lstrip().startswith("=?"):
        return None  # an encoded word, and no JSON yet
    if not text.isascii() and ("\ufffe" in text or "\uffff" in text):
        return None
    if in_cdata or "&" not in text:
        return text
    if text.count("&") != sum(text.count(entity) for entity, _ in _ENTITIES):
        return None
    for entity, character in _ENTITIES:
        text = text.replace(entity, character)
    return text
