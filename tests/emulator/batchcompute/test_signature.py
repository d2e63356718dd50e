from email.utils import formatdate
from typing import Any

import pytest

from monitor.emulator.batchcompute.signature import SignedRequest, access_id_of, strings_to_sign
from monitor.emulator.errors import ServiceError

NOW = 1447240271.0  # Wed, 11 Nov 2015 11:11:11 GMT
DATE = formatdate(NOW, usegmt=True)
COMMON = {
    "accept": "application/json",
    "content-type": "application/json",
    "date": DATE,
    "x-acs-access-key-id": "testid",
    "x-acs-region-id": "local",
    "x-acs-signature-method": "HMAC-SHA1",
    "x-acs-signature-nonce": "11111111-2222-3333-4444-555555555555",
    "x-acs-signature-version": "1.0",
    "x-acs-version": "2015-11-11",
}


def request(method: str, target: str, signature: str, **headers: str) -> SignedRequest:
    """As it arrives."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return SignedRequest(method, target, COMMON | more | {"authorization": f"acs testid:{signature}"})


VECTORS: dict[str, Any] = {
    "listing": request("GET", "/jobs?Marker&MaxItemCount=100&State=Running", "XnaP+oKSRUIhBj6Msfqf4rKx7BA="),
    "token": request(
        "POST",
        "/jobs?IdempotentToken=tok%201%2Fx",
        "ky33Jl0CP0L7xgeGTLNq0DAz2SQ=",
        x_acs_security_token="STS-TOKEN-1",
        contentmd5="6f07c20cebcf5bc60255ba7c5cb9bc77",
    ),
    "description": request("GET", "/jobs/job-1?description", "+WtKHRn7FSR1CU0rSqb/6kovKuE="),
}


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_signatures_of_the_real_client(vector: SignedRequest) -> None:
    """Over the target as it stands on the wire, also with an STS token."""
    assert access_id_of(vector, "testsecret", NOW) == "testid"


@pytest.mark.parametrize("secret", ["", "testsecret2", "testsecret\n"])
def test_another_secret_does_not_fit(secret: str) -> None:
    """The message names the access id, and what to look at."""
    with pytest.raises(ServiceError, match="check the secret of 'testid'") as caught:
        access_id_of(VECTORS["listing"], secret, NOW)
    assert (caught.value.status, caught.value.code) == (400, "SignatureDoesNotMatch")


def test_everything_that_is_signed_counts() -> None:
    """A change of any of it breaks the signature; a header of another name does not."""
    good = VECTORS["listing"]
    changes = [
        SignedRequest("DELETE", good.target, good.headers),
        SignedRequest("GET", good.target.replace("Marker", "Marker=x"), good.headers),
        *(SignedRequest("GET", good.target, {**good.headers, name: "other"}) for name in ("accept", "x-acs-region-id")),
        SignedRequest("GET", good.target, {**good.headers, "x-acs-more": "1"}),
        SignedRequest("GET", good.target, {**good.headers, "content-md5": "00"}),
    ]
    for changed in changes:
        with pytest.raises(ServiceError, match="does not conform"):
            access_id_of(changed, "testsecret", NOW)
    assert access_id_of(SignedRequest("GET", good.target, {**good.headers, "x-more": "1"}), "testsecret", NOW)


def test_a_client_may_sign_the_decoded_target() -> None:
    """Sorted, and empty values without `=`."""
    texts = list(strings_to_sign(SignedRequest("GET", "/jobs/a%20b?b=x%2Fy&a=&c", {"date": DATE})))
    assert texts == [
        f"GET\n\n\n\n{DATE}\n/jobs/a%20b?b=x%2Fy&a=&c",
        f"GET\n\n\n\n{DATE}\n/jobs/a b?a&b=x/y&c",
    ]


def test_a_date_may_come_in_a_header_of_the_service() -> None:
    """Then the line of the date is either empty or holds that."""
    texts = list(strings_to_sign(SignedRequest("GET", "/jobs", {"x-acs-date": DATE})))
    assert texts == [f"GET\n\n\n\n\nx-acs-date:{DATE}\n/jobs", f"GET\n\n\n\n{DATE}\nx-acs-date:{DATE}\n/jobs"]


@pytest.mark.parametrize("seconds", [-901, 901, 3600])
def test_a_date_that_is_far_off_is_refused(seconds: float) -> None:
    """Fifteen minutes either way; the message says by how much."""
    with pytest.raises(ServiceError, match=f"{abs(seconds)} seconds off") as caught:
        access_id_of(VECTORS["listing"], "testsecret", NOW + seconds)
    assert (caught.value.status, caught.value.code) == (400, "InvalidTimeStamp.Expired")
    assert access_id_of(VECTORS["listing"], "testsecret", NOW - 900) == "testid"


@pytest.mark.parametrize("date", ["", "yesterday", "2015-11-11T11:11:11Z", "Wed, 11 Nov 99999 11:11:11 GMT"])
def test_a_date_that_is_none_is_refused(date: str) -> None:
    """The form is told."""
    with pytest.raises(ServiceError, match="RFC 1123") as caught:
        access_id_of(SignedRequest("GET", "/jobs", {"authorization": "acs a:b", "date": date}), "s", NOW)
    assert (caught.value.status, caught.value.code) == (400, "InvalidTimeStamp.Format")


@pytest.mark.parametrize("header", ["", "acs", "acs a", "acs :sig", "acs a:", "ODPS a:sig", "Bearer x"])
def test_credentials_that_are_none_are_refused(header: str) -> None:
    """The form is told."""
    with pytest.raises(ServiceError, match="'acs <AccessKeyId>:<signature>'") as caught:
        access_id_of(SignedRequest("GET", "/jobs", {"authorization": header, "date": DATE}), "s", NOW)
    assert (caught.value.status, caught.value.code) == (400, "InvalidAccessKeyId.NotFound")
