import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.emulator.errors import ServiceError
from monitor.emulator.xmltext import Element, escape, parse_document, show


def test_a_document_is_read() -> None:
    """Elements by path, texts without the space around them, CDATA as it is."""
    root = parse_document(b"<?xml version='1.0'?><a x='1'> <b><c> one </c><c>two</c></b><d><![CDATA[<&>]]></d></a>")
    assert root.name == "a"
    assert root.text_of("b/c") == "one"
    assert root.text_of("d") == "<&>"
    assert root.text_of("b/z", "none") == "none"
    assert root.find("z/y") is None


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "no element found"),
        (b"<a>", "no element found"),
        (b"<a></b>", "mismatched tag"),
        (b"plain", "syntax error"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "document type"),
        (b"<a>" * 40 + b"</a>" * 40, "nested deeper"),
        (b"<a>\xff</a>", "not well-formed"),
    ],
)
def test_what_is_no_decent_document_is_refused(body: bytes, why: str) -> None:
    """With 400 and the reason, also for the bombs."""
    with pytest.raises(ServiceError, match=why) as raised:
        parse_document(body)
    assert raised.value.status == 400


@given(st.text())
def test_any_text_survives_as_xml(text: str) -> None:
    """Whatever a job is called, the document stays readable."""
    back = ET.fromstring(f"<a>{escape(text)}</a>").text or ""
    plain = "".join(char for char in text if char.isprintable() and char not in "\ufffe\uffff\r")
    assert all(char in back for char in plain)


def test_an_element_is_shown_again() -> None:
    """Indented, escaped."""
    root = Element("a", children=[Element("b", "x<y"), Element("c", children=[Element("d")])])
    assert show(root, 0) == "<a>\n  <b>x&lt;y</b>\n  <c>\n    <d></d>\n  </c>\n</a>\n"
