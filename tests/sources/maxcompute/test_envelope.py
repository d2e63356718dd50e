"""The text of `<Content>`: whatever the body, what is read from it is what is read from what a parser makes of it."""

from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.sources.base import Reason, SourceError
from monitor.sources.maxcompute import envelope
from monitor.sources.maxcompute.envelope import open_envelope
from monitor.sources.maxcompute.markup import parse
from monitor.sources.maxcompute.queueing import read_entries

DECLARED = b'<?xml version="1.0" encoding="UTF-8"?>'
JSON = '[{"instanceId":"a","jobName":"每日 <&> \\"x\\" ]]"}]'


def by_parser(body: bytes) -> object:
    """What the parser alone makes of it, or why it refuses."""
    try:
        root = parse(body, "Instances")
        return told(root, root.findtext("Content"))
    except SourceError as error:
        return error.reason


def by_cut(body: bytes) -> object:
    """The same of what is tested."""
    try:
        return told(*open_envelope(body, "Instances"))
    except SourceError as error:
        return error.reason


def told(root: Element, text: str | None) -> object:
    """Marker and text; and whether there is an array in it, because control characters must be refused at last then."""
    controlled = text is not None and any(ord(character) < 32 and character not in "\t\n" for character in text)
    return root.findtext("Marker"), read_entries(text or "") if controlled else text


def wrapped(inner: bytes, head: bytes = b"<Marker>m</Marker>", tail: bytes = b"<MaxItems>9</MaxItems>") -> bytes:
    """A body around the inside of `<Content>`."""
    return b"<Instances>" + head + b"<Content>" + inner + b"</Content>" + tail + b"</Instances>"


ESCAPED = escape(JSON, {'"': "&quot;", "'": "&apos;"}).encode()
PLAIN = [
    wrapped(b"[]"),
    wrapped(b""),
    wrapped(b'\n[{"a":\t1}]\n'),
    wrapped(ESCAPED),
    wrapped(b"&amp;lt;&lt;&amp;amp;"),
    wrapped(b'<![CDATA[[{"a":"&amp;"}]]]>'),
    wrapped('<![CDATA[["每日"]]]>'.encode()),
    DECLARED + b"\n" + wrapped(ESCAPED),
    b"<?xml version='1.0'?>" + wrapped(b"[]"),
    wrapped(b"[]", head=b""),
    wrapped(b"[]", head=b'\n <New x="1"><Inner/></New>\n'),
]


@pytest.mark.parametrize("body", PLAIN)
def test_a_plain_text_is_never_parsed(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """What services send is cut out: the parser sees the elements around it, and the text is the same."""
    parsed: list[bytes] = []

    def watch(body: bytes, root: str) -> object:
        parsed.append(body)
        return parse(body, root)

    monkeypatch.setattr(envelope, "parse", watch)
    assert by_cut(body) == by_parser(body)
    assert by_cut(body) != Reason.MALFORMED
    assert b"<Content></Content>" in parsed[0]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<Instances/>",
        b"<Instances><Marker>m</Marker></Instances>",
        b"<Content>[]</Content>",
        b"<Instances><Content>[]",
        b"<Instances><Content/></Instances>",
        b"<Instances></Content><Content></Instances>",
        wrapped(b"[]")[:-1],
        wrapped(b"[]") + b"<x/>",
        wrapped(b"[]</Content><Content>[1]"),
        wrapped(b"[]", head=b"<Content>[1]</Content>"),
        wrapped(b"[]", head=b"<Content />"),
        wrapped(b"[]", tail=b'<Content a="1">[1]</Content>'),
        wrapped(b"[]", head=b"<!-- <Content>[1]</Content> -->"),
        wrapped(b"[]", head=b"<!-- ", tail=b" --><Content>[1]</Content>"),
        wrapped(b"[]", head=b"<Marker><![CDATA[", tail=b"]]></Marker>"),
        wrapped(b"[]", head=b"<?pi ", tail=b"?>"),
        wrapped(b"[]", head=b"<Deeper>", tail=b"</Deeper>"),
        wrapped(b"[]", head=b'<Marker a="', tail=b'"/>'),
        wrapped(b"[]", head=b"<Marker>\xff</Marker>"),
        wrapped(b"[]", head=b"<Marker>a\r\nb</Marker>"),
        wrapped(b"[]", head=b"<Deep>" * 70, tail=b"</Deep>" * 70),
        b'<!DOCTYPE Instances [<!ENTITY x "y">]>' + wrapped(b"&x;"),
        b'<!DOCTYPE Instances [<!ENTITY lt "y">]>' + wrapped(b"&lt;"),
        b'<?xml version="1.0" encoding="ISO-8859-1"?>' + wrapped(b"[\xe9]"),
        b'<?xml version="1.0" encoding="UTF-8"?><?xml version="1.0"?>' + wrapped(b"[]"),
        b" " + DECLARED + wrapped(b"[]"),
        b"\xef\xbb\xbf" + wrapped(b"[]"),
        wrapped(b"[]").decode().encode("utf-16"),
        wrapped(b"[]").decode().encode("utf-16-le"),
        b"\xff\xfe" + wrapped(b"[]"),
        wrapped(b"[\x00]"),
        wrapped(b"[\x1f]"),
        wrapped(b"[\r\n]"),
        wrapped(b"[\xff]"),
        wrapped(b"[\xed\xa0\x80]"),
        wrapped("[\uffff]".encode()),
        wrapped("[\x85\u2028\x7f]".encode()),
        wrapped(b"a]]>b"),
        wrapped(b"a>b"),
        wrapped(b"&#91;]"),
        wrapped(b"&nbsp;"),
        wrapped(b"&&lt;"),
        wrapped(b"&"),
        wrapped(b"<b>[]</b>"),
        wrapped(b"[<!-- -->]"),
        wrapped(b" <![CDATA[[]]]> "),
        wrapped(b"<![CDATA[[1,]]><![CDATA[2]]]>"),
        wrapped(b"<![CDATA[[]]>]]>"),
        wrapped(b"<![CDATA[<a>]]>"),
        wrapped(b"<![CDATA[[\x01]]]>"),
        wrapped(b"<![CDATA[[\r\n]]]>"),
        wrapped(b"<![CDATA["),
        wrapped(b"<![CDATA[[]"),
    ],
)
def test_where_there_is_a_doubt(body: bytes) -> None:
    """Comments, sections, references, encodings, several or nested elements, and all that is no XML."""
    assert by_cut(body) == by_parser(body)


PIECES = [
    b"<Instances>",
    b"</Instances>",
    b"<Marker>",
    b"</Marker>",
    b"<Content>",
    b"</Content>",
    b"<Content/>",
    b"<![CDATA[",
    b"]]>",
    b"<!--",
    b"-->",
    b"<?x ",
    b"?>",
    b"&lt;",
    b"&amp;",
    b"&#65;",
    b"&",
    b'[{"a":1}]',
    b"\r",
    b"\x01",
    b"\xef\xbf\xbf",
    "每".encode(),
    DECLARED,
]


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=3), max_size=6), st.lists(st.sampled_from(PIECES)))
def test_both_readings_agree(inner: list[bytes], around: list[bytes]) -> None:
    """Of bodies that nearly are listings."""
    middle = b"<Content>" + b"".join(inner) + b"</Content>"
    for body in (
        b"<Instances>" + middle + b"</Instances>",
        b"<Instances>" + middle + b"".join(around) + b"</Instances>",
        b"<Instances>" + b"".join(around) + middle + b"</Instances>",
        b"".join(around) + b"<Instances>" + middle + b"</Instances>",
    ):
        assert by_cut(body) == by_parser(body)


@given(st.sampled_from(PLAIN), st.data())
def test_both_readings_agree_on_damage(body: bytes, data: st.DataObject) -> None:
    """Bytes changed, removed or put in anywhere."""
    damaged = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged)))
        damaged[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2) | st.sampled_from(PIECES))
    assert by_cut(bytes(damaged)) == by_parser(bytes(damaged))


@given(st.text())
def test_any_text_comes_out_as_it_went_in(text: str) -> None:
    """Escaped; the few characters that no XML can hold are refused either way."""
    body = wrapped(escape(text).encode(errors="surrogatepass"))
    assert by_cut(body) == by_parser(body)
