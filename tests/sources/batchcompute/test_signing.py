"""Signatures: the published vectors, and those of the vendor's own client."""

import pytest
from batchcompute import Client
from batchcompute.core.api import Api
from hypothesis import given
from hypothesis import strategies as st

from monitor.section import Secret
from monitor.sources.batchcompute.signing import Account, Signer, query

DATE = "Wed, 11 Nov 2015 11:11:11 GMT"
NONCE = "11111111-2222-3333-4444-555555555555"


def signer(sts_token: str | None = None, *, access_id: str = "testid", key: str = "testsecret") -> Signer:
    """An account in the region of the vectors."""
    token = None if sts_token is None else Secret(sts_token)
    return Signer(
        Account(access_id=Secret(access_id), access_key=Secret(key), region="local", sts_token=token),
        {"User-Agent": "test"},
    )


@pytest.mark.parametrize(
    ("method", "target", "sts_token", "signature"),
    [
        ("GET", "/jobs?Marker&MaxItemCount=100&State=Running", None, "XnaP+oKSRUIhBj6Msfqf4rKx7BA="),
        ("POST", "/jobs?IdempotentToken=tok%201%2Fx", "STS-TOKEN-1", "ky33Jl0CP0L7xgeGTLNq0DAz2SQ="),
        ("GET", "/jobs/job-1?description", None, "+WtKHRn7FSR1CU0rSqb/6kovKuE="),
    ],
)
def test_vectors(method: str, target: str, sts_token: str | None, signature: str) -> None:
    """A listing, a submission with a temporary key, and a description, as the service's own client signs them."""
    headers = signer(sts_token).headers(method, target, DATE, NONCE)
    who = {"x-acs-access-key-id": "testid"} | ({"x-acs-security-token": sts_token} if sts_token else {})
    signed = {"Date": DATE, "x-acs-signature-nonce": NONCE, "Authorization": f"acs testid:{signature}"}
    assert headers == who | signed


def test_what_every_request_carries() -> None:
    """From where, in which version; nothing of who asks, because that may be renewed."""
    common = signer("a-token").common
    assert common == {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": "test",
        "x-acs-region-id": "local",
        "x-acs-signature-method": "HMAC-SHA1",
        "x-acs-signature-version": "1.0",
        "x-acs-version": "2015-11-11",
    }


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ((), ""),
        ((("State", "Running"), ("Marker", ""), ("MaxItemCount", "100")), "?Marker&MaxItemCount=100&State=Running"),
        ((("IdempotentToken", "tok 1/x"),), "?IdempotentToken=tok%201%2Fx"),
        ((("Name", "é&=?"),), "?Name=%C3%A9%26%3D%3F"),
    ],
)
def test_query(params: tuple[tuple[str, str], ...], text: str) -> None:
    """In the order of names, everything encoded, an empty value without `=`."""
    assert query(params) == text


def test_an_account_keeps_its_secrets() -> None:
    """Nothing of it prints, and it names what no message may hold."""
    account = Account(access_id=Secret("me"), access_key=Secret("k3y"), region="local", sts_token=Secret("t0ken"))
    assert account.secrets() == ("k3y", "t0ken")
    assert "k3y" not in repr(account)
    assert "t0ken" not in repr(account)


# --- beside the vendor's client ---------------------------------------------------------------------------------------

VISIBLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
VALUES = st.text(max_size=20).filter(lambda text: not text or text.strip() == text)
NAMES = st.sampled_from(["Marker", "MaxItemCount", "State", "OrderBy", "IsReverse", "IdempotentToken", "ProjectId"])


@given(
    access_id=VISIBLE,
    key=VISIBLE,
    token=st.none() | VISIBLE,
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    path=st.from_regex(r"/jobs(/job-[0-9A-F]{8}(/tasks/[A-Za-z0-9_-]{1,8})?)?", fullmatch=True),
    params=st.dictionaries(NAMES, VALUES),
)
def test_any_request_is_signed_as_the_vendors_client_does(
    *, access_id: str, key: str, token: str | None, method: str, path: str, params: dict[str, str]
) -> None:
    """For any account, path and parameters: the same target, the same headers, the same signature."""
    Client.register_region("local", "127.0.0.1", 80)
    theirs = Api("127.0.0.1", access_id, key, token or "", False)
    expected = theirs.get_headers(method, path, params)
    target = path + query(tuple(params.items()))
    assert target == theirs.rc.get_url(path, params)
    ours = signer(token, access_id=access_id, key=key)
    headers = ours.common | ours.headers(method, target, expected["Date"], expected["x-acs-signature-nonce"])
    own = {"User-Agent", "Content-Length"}
    assert {name: value for name, value in headers.items() if name not in own} == {
        name: value for name, value in expected.items() if name not in own
    }
