"""The section of the config file."""

from typing import Any

import pytest
from pydantic import ValidationError

from monitor.sources.batchcompute import BatchComputeSection
from tests.sources.batchcompute.jobs import section

ENDPOINT = "https://batchcompute.cn-qingdao.example"


def faults(**changes: Any) -> dict[str, str]:
    """Message by key."""
    with pytest.raises(ValidationError) as caught:
        section(ENDPOINT, **changes)
    return {".".join(map(str, fault["loc"])): fault["msg"] for fault in caught.value.errors()}


def test_defaults() -> None:
    """A region is the one project; everything is discovered, and jobs may be submitted."""
    read = section(ENDPOINT)
    assert read.projects == ("cn-qingdao",)
    assert read.discover is not None
    assert (read.discover.jobs, read.submit, read.sts_token) == (".*", True, None)


def test_nothing_is_discovered() -> None:
    """`false` is how the file says it."""
    assert section(ENDPOINT, discover=False).discover is None


@pytest.mark.parametrize(
    ("changes", "key", "part"),
    [
        ({"region": None}, "region", "required"),
        ({"region": "cn/qingdao"}, "region", "cn-qingdao"),
        ({"region": "cn qingdao\n"}, "region", "cn-qingdao"),
        ({"access_id": None}, "access_id", "required"),
        ({"access_key": None}, "access_key", "required"),
        ({"access_id": "two words"}, "access_id", "HTTP header"),
        ({"sts_token": "two\nlines"}, "sts_token", "HTTP header"),
        ({"discover": {"jobs": "("}}, "discover.jobs", "not a regular expression"),
        ({"discover": True}, "discover", "or false"),
        ({"discover": {"owner": "mine"}}, "discover.owner", "not permitted"),
        ({"projects": ["a"]}, "projects", "not permitted"),
        ({"submit": "perhaps"}, "submit", "boolean"),
    ],
)
def test_faults(changes: dict[str, Any], key: str, part: str) -> None:
    """Each names its key and what to write."""
    assert part in faults(**changes)[key]


def test_secrets_do_not_print() -> None:
    """Neither key nor token."""
    text = repr(section(ENDPOINT, sts_token="made-up-sts-token"))
    assert "made-up" not in text
    assert isinstance(section(ENDPOINT), BatchComputeSection)
