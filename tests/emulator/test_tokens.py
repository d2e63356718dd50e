import base64
import json
from typing import Any

import pytest

from monitor.emulator.errors import ServiceError
from monitor.emulator.tokens import Grant, Tokens


def _allowing(*statements: dict[str, Any]) -> Grant:
    return Grant("ALIYUN$me", {"Version": "1", "Statement": list(statements)})


READ = {"Effect": "Allow", "Action": ["odps:Read"], "Resource": "acs:odps:*:projects/demo/instances/i1"}


def test_a_token_comes_back_as_what_was_granted() -> None:
    """Principal and policy survive."""
    tokens = Tokens(b"key")
    grant = _allowing(READ)
    assert tokens.grant_of(tokens.issue(grant, 2000), now=1999) == grant


def test_the_third_part_of_a_token_is_its_expiry() -> None:
    """Clients decode it to know when to ask for another."""
    parts = base64.b64decode(Tokens(b"key").issue(_allowing(READ), 2000)).decode().split(",")
    assert int(parts[2]) == 2000


def test_an_expired_token_is_refused() -> None:
    """With the code at which clients reload their token."""
    tokens = Tokens(b"key")
    with pytest.raises(ServiceError, match="expired at epoch second 2000") as raised:
        tokens.grant_of(tokens.issue(_allowing(READ), 2000), now=2001)
    assert raised.value.code == "AuthenticationRequestExpired"


@pytest.mark.parametrize("token", ["", "???", "AAAA", base64.b64encode(b"\xff\xfe").decode(), "bm90LG91cnMsMSx7fQ=="])
def test_a_foreign_token_is_refused(token: str) -> None:
    """Only our own signature counts."""
    with pytest.raises(ServiceError, match="not issued by this service") as raised:
        Tokens(b"key").grant_of(token, now=0)
    assert raised.value.status == 401


def test_a_token_of_another_run_is_refused() -> None:
    """Each emulator has its own key."""
    with pytest.raises(ServiceError):
        Tokens(b"other").grant_of(Tokens(b"key").issue(_allowing(READ), 2000), now=0)


def test_a_policy_allows_what_it_names_and_nothing_else() -> None:
    """Action and resource must both fit."""
    grant = _allowing(READ)
    assert grant.allows("odps:Read", "projects/demo/instances/i1")
    assert grant.allows("ODPS:read", "projects/demo/instances/i1")
    assert not grant.allows("odps:Write", "projects/demo/instances/i1")
    assert not grant.allows("odps:Read", "projects/demo/instances/i2")


def test_wildcards_and_denials() -> None:
    """`*` fits everything; a Deny wins."""
    everything = {"Effect": "Allow", "Action": "odps:*", "Resource": "acs:odps:*:projects/demo*"}
    secret = {"Effect": "Deny", "Action": "*", "Resource": "*:projects/demo/instances/secret"}
    grant = _allowing(everything, secret)
    assert grant.allows("odps:List", "projects/demo/instances")
    assert not grant.allows("odps:Read", "projects/demo/instances/secret")


@pytest.mark.parametrize("policy", [{}, {"Statement": None}, {"Statement": ["x", 1]}, json.loads('{"Statement": {}}')])
def test_a_policy_without_sense_allows_nothing(policy: dict[str, Any]) -> None:
    """And raises nothing."""
    assert not Grant("ALIYUN$me", policy).allows("odps:Read", "projects/demo")
