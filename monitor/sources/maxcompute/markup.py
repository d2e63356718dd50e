"""Reads the service's XML, and refuses what no honest answer holds.

A document type is where entity bombs and outside files come from, so it is refused where it begins, before anything in
it is read. Tags and depth are bounded here; bytes were bounded when the body was read.
"""

from typing import NoReturn
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from monitor.core.text import clip
from monitor.sources.base import Reason, SourceError

DEEPEST = 64
MOST_TAGS = 400_000  # a page of a thousand instances has fourteen thousand


def malformed(text: str) -> SourceError:
    """The error of a body that is not what the protocol says."""
    return SourceError(Reason.MALFORMED, text)


class _Builder(TreeBuilder):
    def doctype(self, _name: str, _public: str | None, _system: str | None) -> NoReturn:
        """Called by the parser at `<!DOCTYPE`, before entities are declared."""
        raise malformed("the body declares a document type, which no answer of this service has")


def parse(body: bytes, root: str) -> Element:
    """The root element, which must have that name. Raises SourceError(MALFORMED) of anything else."""
    if body.count(b"<") > MOST_TAGS:
        raise malformed(f"the body has more than {MOST_TAGS} tags")
    parser = XMLParser(target=_Builder())  # noqa: S314 - the builder refuses what the rule warns of
    try:
        parser.feed(body)
        top: Element = parser.close()
    except (ParseError, LookupError, ValueError) as error:  # the latter two: an encoding that nobody knows
        what = f"it begins with {clip(repr(body[:40]), 60)}" if body else "it is empty"
        raise malformed(f"the body is not XML: {error}; {what}") from None
    if top.tag != root:
        raise malformed(f"the body is a <{clip(top.tag, 40)}>, not the <{root}> that the protocol says")
    level = [top]
    for _ in range(DEEPEST):
        level = [child for element in level for child in element]
        if not level:
            return top
    raise malformed(f"the body is nested more than {DEEPEST} deep")


def text_of(element: Element, name: str) -> str:
    """The text of the first child of that name, without surrounding space; empty if there is none."""
    return element.findtext(name, "").strip()
