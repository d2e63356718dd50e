"""The vectors were made with another implementation; the generated ones are signed here, with the standard library."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.emulator.errors import ServiceError
from monitor.emulator.signature import SignedRequest, access_id_of, canonical_strings

KEY = "testSecretKey00000000000000000000"
DATE = "Fri, 24 Jan 2025 07:34:21 GMT"
NOW = 1737704061.0
AGENT = {"x-odps-user-agent": "pyodps/0.13.2 CPython/3.11.7 Linux/6.0"}
ONE = "/projects/demo_proj/instances/20250124073421123gabc0def1"


def _request(
    authorization: str, path: str, query: str, headers: Mapping[str, str] = AGENT, method: str = "GET"
) -> SignedRequest:
    return SignedRequest(method, path, query, {"date": DATE, "authorization": authorization, **headers})


VECTORS = {
    "legacy": _request("ODPS testAccessId:k9XkOn2Dn186s1iXPbCwFaBgtis=", ONE, "taskstatus&curr_project=demo_proj"),
    "v4": _request(
        "ODPS testAccessId/20250124/cn-hangzhou/odps/aliyun_v4_request:DPw5fOnOCL26ov3SJ0yfdnVXqvE=",
        ONE,
        "instanceprogress=AnonymousSQLTask&taskname=AnonymousSQLTask&curr_project=demo_proj",
    ),
    "post with a content type": _request(
        "ODPS testAccessId:0yMQv/O0aBlEGqCmpIIeCF1S40w=",
        "/projects/demo_proj/instances",
        "curr_project=demo_proj",
        {**AGENT, "content-type": "application/xml"},
        "POST",
    ),
    "values that need decoding": _request(
        "ODPS testAccessId:iAshMmhhJIw8dGn9K5E6G+F73XM=",
        "/projects/demo_proj/instances",
        "daterange=1737600000%3A1737686400&onlyowner=yes&jobname=a+b%20%E4%B8%AD&marker=&curr_project=demo_proj",
    ),
    "plain": _request(
        "ODPS testAccessId:ee+tjUg82O8E98f38yc5kP6sfrs=", "/projects/demo_proj/instances/i1", "curr_project=demo_proj"
    ),
    "without a user agent": _request(
        "ODPS testAccessId:KYqqju7FBmwBw4HlfLMFFlMPfoM=",
        "/projects/demo_proj/instances/i1",
        "curr_project=demo_proj",
        {},
    ),
}


@pytest.mark.parametrize("request_", VECTORS.values(), ids=VECTORS)
def test_known_signatures_are_accepted(request_: SignedRequest) -> None:
    """Requests that real clients signed."""
    assert access_id_of(request_, KEY, NOW) == "testAccessId"


def test_the_canonical_string_is_the_published_one() -> None:
    """Byte for byte, by its digest."""
    digests = [hashlib.sha1(text.encode()).hexdigest() for text in canonical_strings(VECTORS["legacy"])]
    assert digests == ["95de175c87c4dae65d8382c5e0c4d0235db8d3f0"]
    digests = [hashlib.sha1(text.encode()).hexdigest() for text in canonical_strings(VECTORS["v4"])]
    assert digests == ["b6cb132848ecc8963089075a353901ebdcbd2629"]


@pytest.mark.parametrize("request_", VECTORS.values(), ids=VECTORS)
def test_another_secret_does_not_match(request_: SignedRequest) -> None:
    """The answer is 401 with the service's word for it."""
    with pytest.raises(ServiceError, match="ODPS-0410042") as raised:
        access_id_of(request_, "another", NOW)
    assert (raised.value.status, raised.value.code) == (401, "SignatureNotMatch")


def test_nothing_signed_may_change() -> None:
    """Method, path, query and signed headers all count."""
    good = VECTORS["plain"]
    for bad in (
        SignedRequest("PUT", good.path, good.query, good.headers),
        SignedRequest("GET", good.path + "x", good.query, good.headers),
        SignedRequest("GET", good.path, good.query + "&result", good.headers),
        SignedRequest("GET", good.path, good.query, {**good.headers, "x-odps-user-agent": "other"}),
        SignedRequest("GET", good.path, good.query, {**good.headers, "x-odps-more": "1"}),
        SignedRequest("GET", good.path, good.query, {**good.headers, "content-type": "text/plain"}),
    ):
        with pytest.raises(ServiceError, match="ODPS-0410042"):
            access_id_of(bad, KEY, NOW)


@pytest.mark.parametrize("skew", [-901, 901, 86400])
def test_a_date_too_far_off_is_refused(skew: int) -> None:
    """More than fifteen minutes either way, with the service's own spelling and the three values clients read."""
    with pytest.raises(
        ServiceError, match=r"max_interval_date:900000,expire_date:2025-01-24T07:34:21\.000Z,"
    ) as raised:
        access_id_of(VECTORS["legacy"], KEY, NOW + skew)
    assert (raised.value.status, raised.value.code) == (400, "RequestTimeTooSkewd")


@pytest.mark.parametrize("skew", [-899, 899])
def test_a_date_a_little_off_is_fine(skew: int) -> None:
    """Clocks differ."""
    assert access_id_of(VECTORS["legacy"], KEY, NOW + skew) == "testAccessId"


@pytest.mark.parametrize("header", ["", "soon", "99999"])
def test_a_request_without_a_date_is_refused(header: str) -> None:
    """It could be replayed for ever."""
    with pytest.raises(ServiceError, match="no Date header") as raised:
        access_id_of(_request("ODPS a:b", ONE, "", {"date": header}), KEY, NOW)
    assert raised.value.status == 400


@pytest.mark.parametrize(
    "header",
    [
        "",
        "ODPS",
        "ODPS :x",
        "ODPS me",
        "ODPS me:",
        "Bearer me:x",
        "ODPS me/20250124/r/odps:x",
        "ODPS me/d/r/x/y:x",
        "ODPS a,b:x",
        "ODPS \udcff:x",
    ],
)
def test_a_missing_or_odd_authorization_is_refused(header: str) -> None:
    """With the words at which clients fall back to the legacy form."""
    with pytest.raises(ServiceError, match="authorization header is invalid or missing") as raised:
        access_id_of(_request(header, ONE, ""), KEY, NOW)
    assert (raised.value.status, raised.value.code) == (401, "Unauthorized")


def test_octets_that_are_no_text_do_not_disturb() -> None:
    """Headers may hold anything."""
    with pytest.raises(ServiceError, match="ODPS-0410042"):
        access_id_of(_request("ODPS me:\udcff", ONE, "", {"x-odps-a": "\udcff"}), KEY, NOW)


_values = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(_values, st.sampled_from(["twice", "once", "raw"]))
def test_every_clients_reading_of_a_query_is_accepted(value: str, how: str) -> None:
    """pyodps decodes twice, Java signs what it meant, and some leave `+` alone."""
    query = f"jobname={quote(value, safe='')}&marker="
    if how == "twice":
        params = dict(parse_qsl(unquote(query), keep_blank_values=True))
    else:
        params = {"jobname": unquote(quote(value, safe="")), "marker": ""}
    resource = "/p?" + "&".join(f"{key}={params[key]}" if params[key] else key for key in sorted(params))
    text = f"GET\n\n\n{DATE}\n{resource}"
    signature = base64.b64encode(hmac.new(b"s", text.encode(), hashlib.sha1).digest()).decode()
    assert access_id_of(_request(f"ODPS me:{signature}", "/p", query, {}), "s", NOW) == "me"
