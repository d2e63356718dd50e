"""What all source sections share."""

import pytest
from pydantic import ValidationError

from monitor.sources.section import Discover, SourceSection, none_for_false

GOOD = {"name": "warehouse", "endpoint": "https://service.example/api/"}


def faults(**changes: object) -> dict[str, str]:
    """Message by key."""
    with pytest.raises(ValidationError) as caught:
        SourceSection.model_validate({**GOOD, **changes})
    return {".".join(map(str, fault["loc"])): fault["msg"] for fault in caught.value.errors()}


def test_defaults() -> None:
    """A name and an endpoint are enough; the endpoint loses its last slash."""
    section = SourceSection.model_validate(GOOD)
    assert section.endpoint == "https://service.example/api"
    assert (section.sweep_every.seconds, section.reconcile_every.seconds, section.look_back.seconds) == (10, 30, 600)
    assert (section.requests_per_second, section.concurrency, section.timeout.seconds) == (20.0, 8, 30)


@pytest.mark.parametrize("name", ["", "a/b", "a b", "a\nb", "x" * 129, "\x00"])
def test_a_name_that_cannot_stand_in_a_key(name: str) -> None:
    """Keys are `source/project/id`: a name with a slash, space or control character is refused with the rule."""
    assert "no '/'" in faults(name=name)["name"]


@pytest.mark.parametrize(
    ("endpoint", "part"),
    [
        ("service.example/api", "http:// or https://"),
        ("ftp://service.example", "http:// or https://"),
        ("http://", "a host"),
        ("http://[::1", "not an address"),
        ("http://service.example:99999/api", "not an address"),
        ("http://me:secret@service.example/api", "user or a password"),
        ("http://service.example/api?x", "without '?'"),
        ("http://service.example/api#x", "without '?'"),
        ("http://service.example/ä", "ASCII"),
        ("http://service.example/a\nb", "ASCII"),
    ],
)
def test_a_bad_endpoint_is_told_how_to_look(endpoint: str, part: str) -> None:
    """The message says what is wrong and shows a good one, and never repeats a password."""
    message = faults(endpoint=endpoint)["endpoint"]
    assert part in message
    assert "https://service.example/api" in message
    assert "secret" not in message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("requests_per_second", 0),
        ("requests_per_second", float("inf")),
        ("concurrency", 0),
        ("timeout", "soon"),
        ("sweep_every", 0),
        ("colour", "red"),
    ],
)
def test_limits(key: str, value: object) -> None:
    """Numbers that cannot work and unknown keys are refused at their key."""
    assert list(faults(**{key: value})) == [key]


def test_the_pattern_of_names() -> None:
    """It is held against the whole name, whatever characters that holds."""
    pattern = Discover(jobs="nightly.*").pattern()
    assert pattern.fullmatch("nightly\nload")
    assert not pattern.fullmatch("a nightly load")


def test_false_discovers_nothing() -> None:
    """And anything but false or a section is told how it is written."""
    read = none_for_false("{jobs: '.*'}")
    assert read(False) is None
    assert read({"jobs": "x"}) == {"jobs": "x"}
    with pytest.raises(ValueError, match=r"write \{jobs: '\.\*'\}, or false"):
        read(True)
