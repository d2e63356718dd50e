"""Signatures of OSS, version 1."""

from collections.abc import Mapping

import pytest

from monitor.emulator.batchcompute.oss_signature import OssRequest, check_signature
from monitor.emulator.errors import ServiceError
from tests.emulator.batchcompute.workshop import SECRET, signature

DATE = "Wed, 11 Nov 2015 11:11:11 GMT"


def check(
    headers: Mapping[str, str], query: Mapping[str, str] | None = None, *, method: str = "PUT", needed: bool = True
) -> None:
    check_signature(OssRequest(method, "/demo/a b/c", query or {}, headers), SECRET, 1000.0, needed=needed)


def code_of(headers: Mapping[str, str], query: Mapping[str, str] | None = None, *, needed: bool = True) -> str:
    with pytest.raises(ServiceError) as refused:
        check(headers, query, needed=needed)
    return refused.value.code


def test_the_published_example_is_right() -> None:
    """The worked example of the service's documentation, with its own keys."""
    headers = {
        "content-md5": "ODBGOERFMDMzQTczRUY3NUE3NzA5QzdFNUYzMDQxNEM=",
        "content-type": "text/html",
        "date": "Thu, 17 Nov 2005 18:49:58 GMT",
        "x-oss-magic": "abracadabra",
        "x-oss-meta-author": "foo@bar.com",
        "host": "oss-example.oss-cn-hangzhou.aliyuncs.com",
        "authorization": "OSS 44CF9590006BF252F707:26NBxoKdsyly4EDv6inkoDft/yA=",
    }
    request = OssRequest("PUT", "/oss-example/nelson", {}, headers)
    check_signature(request, "OtxrzxIsfpFjA7SwPzILwy8Bw21TLhquhboDYROV", 0.0, needed=True)


def test_everything_that_is_signed_counts() -> None:
    """Method, resource, dates, types, own headers and the words of the query that name something else."""
    own = "x-oss-meta-a:1\nx-oss-meta-b:2\n"
    right = signature("PUT", "/demo/a b/c?acl&uploadId=7", DATE, own=own, kind="text/plain", md5="bWQ1")
    headers = {"authorization": f"OSS anybody:{right}", "date": DATE, "content-type": "text/plain"}
    headers |= {"content-md5": "bWQ1", "x-oss-meta-b": "2", "x-oss-meta-a": "1", "user-agent": "is not signed"}
    query = {"uploadId": "7", "acl": "", "prefix": "is not signed"}
    check(headers, query)
    for name in ("date", "content-type", "content-md5", "x-oss-meta-a"):
        assert code_of(headers | {name: "other"}, query) == "SignatureDoesNotMatch"
    assert code_of(headers, query | {"uploadId": "8"}) == "SignatureDoesNotMatch"
    with pytest.raises(ServiceError):
        check(headers, query, method="DELETE")


def test_the_date_may_come_in_a_header_of_its_own() -> None:
    """Browsers cannot set Date; x-oss-date stands in for it, and is signed as a header too."""
    right = signature("PUT", "/demo/a b/c", DATE, own=f"x-oss-date:{DATE}\n")
    check({"authorization": f"OSS me:{right}", "x-oss-date": DATE, "date": "another"})


def test_who_reads_need_not_sign_but_must_sign_rightly() -> None:
    """Anonymous readers pass; a signature that is there is checked."""
    check({}, needed=False)
    assert code_of({}) == "AccessDenied"
    assert code_of({"authorization": "OSS me:d3Jvbmc=", "date": DATE}, needed=False) == "SignatureDoesNotMatch"
    assert code_of({"authorization": "OSS me:\udcff", "date": DATE}) == "SignatureDoesNotMatch"


@pytest.mark.parametrize("header", ["OSS4-HMAC-SHA256 Credential=me", "Basic bWU6bWU=", "OSS nocolon", ""])
def test_other_schemes_are_told_which_is_read(header: str) -> None:
    """A newer signature is no wrong one."""
    assert code_of({"authorization": header}, needed=False) == "InvalidArgument"


def test_an_address_may_be_signed_until_it_expires() -> None:
    """In the query, with the second of its end in place of the date."""
    query = {"OSSAccessKeyId": "me", "Expires": "1001", "Signature": signature("PUT", "/demo/a b/c", "1001")}
    check({}, query)
    assert code_of({}, query | {"Expires": "1002"}) == "SignatureDoesNotMatch"
    for expires in ("999", "", "soon", "²"):
        assert code_of({}, query | {"Expires": expires}) == "AccessDenied"
