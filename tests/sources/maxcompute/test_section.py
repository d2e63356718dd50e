"""The section of a MaxCompute source."""

import pytest
from pydantic import ValidationError

from monitor.sources.maxcompute.section import MaxComputeSection
from tests.sources.scripted import section

ENDPOINT = "https://service.example/api"


def faults(**changes: object) -> str:
    """All messages, with their keys."""
    with pytest.raises(ValidationError) as caught:
        section(ENDPOINT, **changes)
    return str(caught.value)


def test_the_example_of_the_contract() -> None:
    """Every key of the documented example is read, the secret from its variable."""
    read = MaxComputeSection.model_validate(
        {
            "type": "maxcompute",
            "name": "warehouse",
            "endpoint": "https://service.cn-hangzhou.maxcompute.example/api",
            "region": "cn-hangzhou",
            "projects": ["analytics", "ads"],
            "access_id": "testAccessId",
            "access_key": {"env": "KEY"},
            "discover": {"owner": "mine", "jobs": "etl_.*"},
            "sweep_every": "10s",
            "requests_per_second": 20,
        },
        context={"env": {"KEY": "made-up"}},
    )
    assert read.access_key is not None
    assert read.access_key.reveal() == "made-up"
    assert read.projects == ("analytics", "ads")
    assert read.discover is not None
    assert (read.discover.owner, read.discover.jobs) == ("mine", "etl_.*")


def test_discover_may_be_switched_off() -> None:
    """`discover: false` is no discovery; without the key everything is discovered."""
    assert section(ENDPOINT, discover=False).discover is None
    assert section(ENDPOINT).discover is not None


def test_a_bearer_token_needs_no_key() -> None:
    """A token alone is enough."""
    read = section(ENDPOINT, access_id=None, access_key=None, bearer_token="made-up-bearer")
    assert read.bearer_token is not None


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"access_key": None}, "give access_id and access_key, or a bearer_token"),
        ({"access_id": None}, "give access_id and access_key, or a bearer_token"),
        ({"bearer_token": "t"}, "a bearer_token signs nothing"),
        ({"app_access_id": "app"}, "app_access_id and app_access_key come together"),
        ({"app_access_key": "app"}, "app_access_id and app_access_key come together"),
        ({"access_id": "two\nlines"}, "one line without spaces"),
        ({"sts_token": "two words"}, "one line without spaces"),
        ({"region": "../x"}, "cn-hangzhou"),
        ({"projects": []}, "at least 1 item"),
        ({"projects": ["a/b"]}, "no '/'"),
        ({"projects": ["a", "b", "a"]}, "named twice: a"),
        ({"discover": {"jobs": "etl_("}}, "not a regular expression: missing )"),
        ({"discover": {"owner": "nobody"}}, "'all' or 'mine'"),
        ({"discover": True}, "or false to track only what is registered"),
        ({"discover": "yes"}, "or false to track only what is registered"),
        ({"logview_host": "logview.example"}, "http:// or https://"),
        ({"colour": "red"}, "Extra inputs are not permitted"),
    ],
)
def test_a_fault_names_the_fix(changes: dict[str, object], part: str) -> None:
    """Each bad section is refused with what to write instead, and no secret is repeated."""
    message = faults(**changes)
    assert part in message
    assert "made-up-access-key" not in message


def test_no_secret_is_printed() -> None:
    """Neither repr nor JSON of a section shows a secret."""
    read = section(ENDPOINT, sts_token="made-up-sts-token")
    for text in (repr(read), str(read), read.model_dump_json()):
        assert "made-up" not in text


def test_choices_of_logview() -> None:
    """The newer page needs the region; a token lives for an hour, and for a week at most."""
    read = section(ENDPOINT)
    assert (read.logview_version, read.logview_hours) == (None, 1)
    assert "needs the region" in faults(logview_version="v2")
    assert "less than or equal to 168" in faults(logview_hours=169)
    assert section(ENDPOINT, logview_version="v2", region="cn-hangzhou").logview_version == "v2"
