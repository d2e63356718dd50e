"""XML that is read, and XML that is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.sources.base import Reason, SourceError
from monitor.sources.maxcompute.markup import DEEPEST, MOST_TAGS, parse, text_of

LAUGHS = b"""<?xml version="1.0"?>
<!DOCTYPE Instance [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;">]>
<Instance><Status>&c;</Status></Instance>"""

REFUSED = {
    "empty": b"",
    "space": b"  \n ",
    "not XML": b"upstream connect error",
    "truncated": b"<Instance><Status>Runn",
    "two roots": b"<Instance/><Instance/>",
    "another root": b"<html><body>Log in</body></html>",
    "entity bomb": LAUGHS,
    "outside file": b'<!DOCTYPE Instance [<!ENTITY x SYSTEM "file:///etc/hostname">]><Instance>&x;</Instance>',
    "document type alone": b"<!DOCTYPE Instance><Instance/>",
    "document type in UTF-16": "<!DOCTYPE Instance><Instance/>".encode("utf-16"),
    "unknown entity": b"<Instance>&nbsp;</Instance>",
    "unknown encoding": b'<?xml version="1.0" encoding="made-up"?><Instance/>',
    "encoding of many bytes": '<?xml version="1.0" encoding="gbk"?><Instance>中</Instance>'.encode("gbk"),
    "NUL": b"<Instance>\x00</Instance>",
    "not UTF-8": b"<Instance>\xff\xfe</Instance>",
    "too deep": b"<Instance>" + b"<a>" * DEEPEST + b"</a>" * DEEPEST + b"</Instance>",
    "far too deep": b"<Instance>" + b"<a>" * 100_000 + b"</a>" * 100_000 + b"</Instance>",
    "too many": b"<Instance>" + b"<a/>" * MOST_TAGS + b"</Instance>",
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED.keys())
def test_what_no_honest_answer_holds(body: bytes) -> None:
    """Each is the error `malformed`, and none is expanded, fetched or half believed."""
    with pytest.raises(SourceError) as caught:
        parse(body, "Instance")
    assert caught.value.reason is Reason.MALFORMED
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "body",
    [
        b"<Instance><Status>Running</Status></Instance>",
        b'\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8"?>\n<Instance>\n <Status> Running\n</Status></Instance>\n',
        b"<Instance><More><Status>no</Status></More><Status>Running</Status></Instance>",
        b"<Instance><Status>Run<!-- -->ning</Status></Instance>",
        b"<Instance><Status><![CDATA[Running]]></Status><Status>Second</Status></Instance>",
        b"<Instance><Status>&#82;unning</Status></Instance>",
        "<?xml version='1.0' encoding='iso-8859-1'?><Instance é=''><Status>Running</Status></Instance>".encode(
            "latin-1"
        ),
        b"<Instance>" + b"<a>" * (DEEPEST - 1) + b"</a>" * (DEEPEST - 1) + b"<Status>Running</Status></Instance>",
    ],
)
def test_forms_of_the_same_answer(body: bytes) -> None:
    """Declarations, comments, CDATA, space, references and unknown elements do not matter."""
    assert text_of(parse(body, "Instance"), "Status") == "Running"


def test_a_document_type_inside_text_is_text() -> None:
    """A result that holds a web page is a result."""
    page = "<!DOCTYPE html><html>&lol;</html>"
    assert text_of(parse(f"<Instance><R><![CDATA[{page}]]></R></Instance>".encode(), "Instance"), "R") == page


def test_an_absent_child_is_an_empty_text() -> None:
    """Absent, empty and blank are the same."""
    root = parse(b"<Instance><Empty/><Blank>  </Blank></Instance>", "Instance")
    assert [text_of(root, name) for name in ("Absent", "Empty", "Blank")] == ["", "", ""]


@given(st.binary(max_size=300))
def test_any_bytes(body: bytes) -> None:
    """Whatever bytes come, they are an element of the right name or the one error."""
    assert outcome(body) in {"Instance", Reason.MALFORMED}


def outcome(body: bytes) -> str:
    """The name of the root, or why there is none."""
    try:
        return parse(body, "Instance").tag
    except SourceError as error:
        return error.reason
