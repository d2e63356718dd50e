"""Reads XML that strangers send, and writes texts into XML."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from monitor.emulator.errors import ServiceError, bad_request

MAX_DEPTH = 32
_NO_CHARACTERS = (*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF, *range(0xD800, 0xE000))
_NOT_IN_XML = dict.fromkeys(_NO_CHARACTERS, "\ufffd")


@dataclass(slots=True)
class Element:
    """A node of a parsed document. `text` is its own text, without that of its children."""

    name: str
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def find(self, path: str) -> "Element | None":
        """The first descendant along a path such as `Job/Tasks`."""
        node: Element | None = self
        for name in path.split("/"):
            node = next((child for child in node.children if child.name == name), None) if node else None
        return node

    def text_of(self, path: str, otherwise: str = "") -> str:
        """The text of a descendant, without white space around it."""
        node = self.find(path)
        return node.text.strip() if node else otherwise


def parse_document(body: bytes) -> Element:
    """Parses XML. Raises ServiceError if it is broken, too deep, or declares a document type or entities."""
    root = Element("")
    open_elements = [root]

    def start(name: str, _attributes: Mapping[str, str]) -> None:
        if len(open_elements) > MAX_DEPTH:
            raise bad_request(f"XML nested deeper than {MAX_DEPTH} elements")
        element = Element(name)
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def data(text: str) -> None:
        open_elements[-1].text += text

    def doctype(*_: object) -> None:
        raise bad_request("XML with a document type declaration is not read")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _name: open_elements.pop()
    parser.CharacterDataHandler = data
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise ServiceError(
            400, "MalformedXml", f"ODPS-0420031:Invalid XML in HTTP request body - {expat.ErrorString(error.code)}"
        ) from error
    return root.children[0]


def show(element: Element, depth: int) -> str:
    """The element as XML again, indented."""
    indent = "  " * depth
    if not element.children:
        return f"{indent}<{element.name}>{escape(element.text)}</{element.name}>\n"
    inner = "".join(show(child, depth + 1) for child in element.children)
    return f"{indent}<{element.name}>\n{inner}{indent}</{element.name}>\n"


def escape(text: str) -> str:
    """Text for XML: markup escaped, characters that XML cannot hold replaced."""
    if not text.isprintable():
        text = text.translate(_NOT_IN_XML)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
