"""Signatures: seven worked vectors, and pyodps itself as an oracle that signs the same request."""

from collections.abc import Mapping
from urllib.parse import quote

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from odps.accounts import AppAccount, BearerTokenAccount, CloudAccount, StsAccount

from monitor.section import Secret
from monitor.sources.dates import Stamp
from monitor.sources.maxcompute.signing import Account, Signer, query

ENDPOINT = "http://odps.example.test/api"
AGENT = "pyodps/0.13.2 CPython/3.11.7 Linux/6.0"
STAMP = Stamp("Fri, 24 Jan 2025 07:34:21 GMT", "20250124")
KEY = "testSecretKey00000000000000000000"
INSTANCE = "/projects/demo_proj/instances/20250124073421123gabc0def1"
COMMON = {"User-Agent": AGENT, "x-odps-user-agent": AGENT}


def account(**more: str) -> Account:
    """The account of the vectors; `region` stays as it is, all else is a secret."""
    region = more.pop("region", None)
    pair = {"access_id": "testAccessId", "access_key": KEY, **more}
    return Account(region=region, **{name: Secret(value) for name, value in pair.items()})


def sign(
    signer: Signer, method: str, path: str, params: Mapping[str, str], *, content_type: str = "", v4: bool = False
) -> dict[str, str]:
    """The headers of a request with these parameters."""
    resource = path + query(tuple(params.items())).signed
    return signer.headers(method, resource, STAMP, content_type=content_type, v4=v4)


CURRENT = {"curr_project": "demo_proj"}


@pytest.mark.parametrize(
    ("method", "path", "params", "content_type", "common", "expected"),
    [
        pytest.param(
            "GET", INSTANCE, {"taskstatus": "", **CURRENT}, "", COMMON, "k9XkOn2Dn186s1iXPbCwFaBgtis=", id="1"
        ),
        pytest.param(
            "POST",
            "/projects/demo_proj/instances",
            CURRENT,
            "application/xml",
            COMMON,
            "0yMQv/O0aBlEGqCmpIIeCF1S40w=",
            id="3",
        ),
        pytest.param(
            "GET",
            "/projects/demo_proj/instances",
            {
                "daterange": "1737600000:1737686400",
                "onlyowner": "yes",
                "jobname": "a b 中",
                "marker": "",
                **CURRENT,
            },
            "",
            COMMON,
            "iAshMmhhJIw8dGn9K5E6G+F73XM=",
            id="4",
        ),
        pytest.param(
            "GET",
            "/projects/demo_proj/instances/i1",
            CURRENT,
            "",
            COMMON,
            "ee+tjUg82O8E98f38yc5kP6sfrs=",
            id="5",
        ),
        pytest.param(
            "GET",
            "/projects/demo_proj/instances/i1",
            CURRENT,
            "",
            {},
            "KYqqju7FBmwBw4HlfLMFFlMPfoM=",
            id="6",
        ),
    ],
)
def test_legacy_vectors(
    *, method: str, path: str, params: dict[str, str], content_type: str, common: dict[str, str], expected: str
) -> None:
    """The legacy signature is the one that was recorded."""
    signed = sign(Signer(account(), common), method, path, params, content_type=content_type)
    assert signed["Authorization"] == f"ODPS testAccessId:{expected}"
    assert signed["Date"] == STAMP.date


def test_vector_2_the_derived_signature() -> None:
    """The key derived per day and region signs as recorded, the second time as well as the first."""
    signer = Signer(account(region="cn-hangzhou"), COMMON)
    params = {"instanceprogress": "AnonymousSQLTask", "taskname": "AnonymousSQLTask", **CURRENT}
    expected = "ODPS testAccessId/20250124/cn-hangzhou/odps/aliyun_v4_request:DPw5fOnOCL26ov3SJ0yfdnVXqvE="
    for _ in range(2):
        assert sign(signer, "GET", INSTANCE, params, v4=True)["Authorization"] == expected


def test_vector_7_an_application_signs_the_signature() -> None:
    """Dual authentication adds its own header and leaves the first signature as it is."""
    signer = Signer(account(app_access_id="appId", app_access_key="appSecret"), COMMON)
    signed = sign(signer, "GET", "/projects/demo_proj/instances/i1", CURRENT)
    assert signed["Authorization"] == "ODPS testAccessId:ee+tjUg82O8E98f38yc5kP6sfrs="
    assert signed["application-authentication"] == (
        "account_provider:aliyun,signature_method:hmac-sha1,access_id:appId,signature:YFSgwKstJbnq7+xOFW1nTQU3mNs="
    )


def test_a_new_day_derives_a_new_key() -> None:
    """Over midnight the credential names the new day and the signature changes with it."""
    signer = Signer(account(region="cn-hangzhou"), COMMON)
    resource = INSTANCE + query(tuple(CURRENT.items())).signed
    days = [STAMP._replace(day=day) for day in ("20250124", "20250125", "20250124")]
    first, second, back = (signer.headers("GET", resource, day, v4=True)["Authorization"] for day in days)
    assert "/20250125/" in second
    assert first.rpartition(":")[2] != second.rpartition(":")[2]
    assert back == first


# --- pyodps, live ---------------------------------------------------------------------------------------------------


def prepared(method: str, path: str, params: Mapping[str, str], content_type: str) -> requests.PreparedRequest:
    """The request as it goes to the wire, in the form that pyodps signs."""
    url = ENDPOINT + quote(path) + query(tuple(params.items())).sent
    headers = {"Date": STAMP.date, "x-odps-user-agent": AGENT}
    if content_type:
        headers["Content-Type"] = content_type
    request = requests.PreparedRequest()
    request.prepare(method=method, url=url, headers=headers)
    assert request.url == url
    return request


# Both readings of a parameter agree where its value has none of these; see the module.
PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="+&=%;#?", exclude_categories=["C"]), max_size=20)
NAMES = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz_"), min_size=1, max_size=10)


@given(
    method=st.sampled_from(["GET", "PUT", "POST"]),
    id_=st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True),
    params=st.dictionaries(NAMES, PLAIN, max_size=6),
    content_type=st.sampled_from(["", "application/xml", "application/json"]),
    region=st.sampled_from([None, "cn-hangzhou"]),
    key=st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=100),
)
def test_pyodps_signs_the_same(
    *, method: str, id_: str, params: dict[str, str], content_type: str, region: str | None, key: str
) -> None:
    """For any parameters that both readings agree on, our signature is pyodps' own."""
    path = f"/projects/demo_proj/instances/{id_}"
    request = prepared(method, path, params, content_type)
    oracle = CloudAccount("testAccessId", key)
    oracle.sign_request(request, ENDPOINT, region_name=region)
    theirs = request.headers["Authorization"]
    # pyodps takes the day from the machine's clock: we are told the same one.
    day = theirs.split("/")[1] if region else ""
    more = {"region": region} if region else {}
    signer = Signer(account(**{**more, "access_key": key}), COMMON)
    resource = path + query(tuple(params.items())).signed
    ours = signer.headers(method, resource, Stamp(STAMP.date, day), content_type=content_type, v4=region is not None)
    assert ours["Authorization"] == theirs


def test_sts_as_pyodps_sends_it() -> None:
    """The temporary token goes beside the signature and is not part of it."""
    request = prepared("GET", INSTANCE, CURRENT, "")
    StsAccount("testAccessId", KEY, "made-up-sts-token").sign_request(request, ENDPOINT)
    signer = Signer(account(sts_token="made-up-sts-token"), COMMON)
    ours = sign(signer, "GET", INSTANCE, CURRENT)
    assert ours["Authorization"] == request.headers["Authorization"]
    assert ours["authorization-sts-token"] == request.headers["authorization-sts-token"]


def test_a_bearer_token_as_pyodps_sends_it() -> None:
    """The token stands alone: nothing is signed, with or without a region."""
    request = prepared("GET", INSTANCE, CURRENT, "")
    BearerTokenAccount("made-up-bearer").sign_request(request, ENDPOINT)
    signer = Signer(Account(bearer_token=Secret("made-up-bearer"), region="cn-hangzhou"), COMMON)
    ours = sign(signer, "GET", INSTANCE, CURRENT)
    assert "Authorization" not in ours
    assert "Authorization" not in request.headers
    assert not signer.prefers_v4
    assert ours["x-odps-bearer-token"] == request.headers["x-odps-bearer-token"]


def test_an_application_as_pyodps_signs_it() -> None:
    """pyodps' second signature over the first is ours, also over the derived one."""
    request = prepared("GET", INSTANCE, CURRENT, "")
    CloudAccount("testAccessId", KEY).sign_request(request, ENDPOINT)
    AppAccount("appId", "appSecret").sign_request(request, ENDPOINT)
    signer = Signer(account(app_access_id="appId", app_access_key="appSecret"), COMMON)
    ours = sign(signer, "GET", INSTANCE, CURRENT)
    assert ours["application-authentication"] == request.headers["application-authentication"]


# --- the query ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "sent", "signed"),
    [
        ({}, "", ""),
        ({"taskstatus": ""}, "?taskstatus", "?taskstatus"),
        ({"b": "2", "a": ""}, "?a&b=2", "?a&b=2"),
        ({"daterange": "1:"}, "?daterange=1%3A", "?daterange=1:"),
        ({"taskname": "a/b c+d&e=中"}, "?taskname=a%2Fb%20c%2Bd%26e%3D%E4%B8%AD", "?taskname=a/b c+d&e=中"),
    ],
)
def test_a_query_is_sent_encoded_and_signed_plain(params: dict[str, str], sent: str, signed: str) -> None:
    """Sorted by key, an empty value is a bare key; what goes to the wire has no reserved character unescaped."""
    made = query(tuple(params.items()))
    assert (made.sent, made.signed) == (sent, signed)


def test_what_must_not_be_told() -> None:
    """All secrets of an account are named for blotting out, and none is in its repr."""
    whole = account(sts_token="made-up-sts", app_access_id="appId", app_access_key="made-up-app")
    assert set(whole.secrets()) == {KEY, "made-up-sts", "made-up-app"}
    assert not any(secret in repr(whole) for secret in whole.secrets())


def test_headers_of_one_request_are_signed_among_the_others() -> None:
    """In the order of their names, and only in that request; what is not the service's own is sent and not signed."""
    both, one = Signer(account(), {**COMMON, "x-odps-mcqa-conn": "c"}), Signer(account(), COMMON)
    resource = "/mcqa/projects/p/instances/i?curr_project=p"
    told = one.headers("GET", resource, STAMP, more=(("x-odps-mcqa-conn", "c"), ("x-trace", "t")))
    assert (told["x-odps-mcqa-conn"], told["x-trace"]) == ("c", "t")
    assert told["Authorization"] == both.headers("GET", resource, STAMP)["Authorization"]
    assert one.headers("GET", resource, STAMP)["Authorization"] != told["Authorization"]
