"""Listings and refusals of OSS in XML."""

import xml.etree.ElementTree as ET

import pytest

from monitor.emulator.batchcompute.objects import Stored
from monitor.emulator.batchcompute.oss_documents import Page, Wanted, document, page_of, refusal
from monitor.emulator.errors import ServiceError

KEYS = ["a", "b/1", "b/2", "b/c/3", "d", "e/4"]


def pages(prefix: str = "", delimiter: str = "", most: int = 2) -> list[list[str]]:
    """All pages that a client gets, keys before prefixes."""
    seen, after = [], ""
    keys = [key for key in KEYS if key.startswith(prefix)]
    while True:
        page = page_of(keys, Wanted(prefix, delimiter, after, most, second=False, encoded=False))
        seen.append([*page.keys, *page.prefixes])
        if not page.following:
            return seen
        after = page.following


def test_pages_hold_every_key_once() -> None:
    """In order; a last page that is just full leads nowhere."""
    assert pages() == [["a", "b/1"], ["b/2", "b/c/3"], ["d", "e/4"]]
    assert pages(most=100) == [KEYS]
    assert pages(prefix="none") == [[]]


def test_a_delimiter_folds_keys_into_prefixes() -> None:
    """Each common prefix counts as one entry and is on one page only."""
    assert pages(delimiter="/") == [["a", "b/"], ["d", "e/"]]
    assert pages(prefix="b/", delimiter="/") == [["b/1", "b/2"], ["b/c/"]]
    assert pages(delimiter="/", most=1) == [["a"], ["b/"], ["d"], ["e/"]]


@pytest.mark.parametrize(
    ("query", "after"),
    [
        ({"marker": "m", "start-after": "s"}, "m"),
        ({"list-type": "2", "marker": "m", "start-after": "s"}, "s"),
        ({"list-type": "2", "start-after": "s", "continuation-token": "c"}, "c"),
        ({}, ""),
    ],
)
def test_each_version_has_its_own_word_for_where_to_go_on(query: dict[str, str], after: str) -> None:
    """A token goes before the key to start after."""
    assert Wanted.read(query).after == after


@pytest.mark.parametrize("most", ["0", "-1", "1001", "many", "9" * 5000])
def test_a_page_has_bounds(most: str) -> None:
    """Between one key and a thousand."""
    with pytest.raises(ServiceError, match="between 1 and 1000"):
        Wanted.read({"max-keys": most})


def told(wanted: Wanted, page: Page) -> ET.Element:
    stored = {"a&b": Stored("a&b", 7, 1_000_000_000.5, "ABCD")}
    return ET.fromstring(document("demo", wanted, page, stored.get))


def test_the_document_says_what_is_known_of_each_key() -> None:
    """Except for keys that have gone meanwhile."""
    root = told(Wanted("", "", "", 2, second=False, encoded=False), Page(["a&b", "gone"], ["x/"], "x/"))
    found = [(one.findtext("Key"), one.findtext("Size"), one.findtext("ETag")) for one in root.findall("Contents")]
    assert found == [("a&b", "7", '"ABCD"')]
    assert root.findtext("Contents/LastModified") == "2001-09-09T01:46:40.000Z"
    assert (root.findtext("IsTruncated"), root.findtext("NextMarker")) == ("true", "x/")
    assert root.findtext("CommonPrefixes/Prefix") == "x/"


def test_names_are_encoded_if_that_is_asked() -> None:
    """For keys that XML cannot hold; the client is told so."""
    root = told(Wanted("a&", "", "", 2, second=True, encoded=True), Page(["a&b"], [], ""))
    assert (root.findtext("EncodingType"), root.findtext("Prefix")) == ("url", "a%26")
    assert root.findtext("Contents/Key") == "a%26b"
    assert (root.findtext("KeyCount"), root.find("NextContinuationToken")) == ("1", None)


def test_a_second_version_goes_on_with_a_token() -> None:
    """Not with a marker."""
    root = told(Wanted("", "", "", 1, second=True, encoded=False), Page(["a&b"], [], "a&b"))
    assert (root.findtext("NextContinuationToken"), root.find("NextMarker")) == ("a&b", None)


def test_a_refusal_is_a_document() -> None:
    """With the parts that clients show."""
    root = ET.fromstring(refusal(ServiceError(404, "NoSuchKey", "no <key>"), "ID7", "demo.oss-x"))
    assert [(part.tag, part.text) for part in root] == [
        ("Code", "NoSuchKey"),
        ("Message", "no <key>"),
        ("RequestId", "ID7"),
        ("HostId", "demo.oss-x"),
    ]
