"""Verifies signatures of OSS, version 1, in the header and in the query."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from monitor.emulator.errors import ServiceError

# Words of a query that ask for something else than the object itself; all of them are signed.
SUBRESOURCES = frozenset(
    """
    accessPoint accessPointPolicy acl append asyncFetch bucketArchiveDirectRead bucketInfo callback callback-var
    cname comp continuation-token cors delete encryption endTime group httpsConfig img inventory inventoryId
    lifecycle link live location logging metaQuery objectInfo objectMeta partNumber policy position
    publicAccessBlock qos qosInfo qosRequester redundancyTransition referer regionList replication
    replicationLocation replicationProgress requesterQosInfo requestPayment resourceGroup resourcePool
    resourcePoolBuckets resourcePoolInfo response-cache-control response-content-disposition response-content-
    encoding response-content-language response-content-type response-expires restore security-token sequential
    startTime stat status style styleName symlink tagging transferAcceleration uploadId uploads versionId versioning
    versions vod website worm wormExtend wormId x-oss-ac-forward-allow x-oss-ac-source-ip x-oss-ac-subnet-mask
    x-oss-ac-vpc-id x-oss-access-point-name x-oss-async-process x-oss-process x-oss-redundancy-transition-taskid
    x-oss-request-payer x-oss-target-redundancy-type x-oss-traffic-limit x-oss-write-get-object-response
    """.split()  # noqa: SIM905 - as a list it would take ninety lines
)


@dataclass(frozen=True, slots=True)
class OssRequest:
    """What a signature covers. The resource is `/bucket/key`, decoded, `/bucket/` or `/`; so is the query."""

    method: str
    resource: str
    query: Mapping[str, str]
    headers: Mapping[str, str]  # names in lower case


def check_signature(request: OssRequest, secret: str, now: float, *, needed: bool) -> None:
    """Lets pass who signed with that secret, and who did not sign unless that is `needed`.

    `now` is epoch seconds: addresses signed in their query expire. Raises ServiceError.
    """
    if "authorization" in request.headers:
        scheme, _, credential = request.headers["authorization"].partition(" ")
        access_id, _, given = credential.rpartition(":")
        if scheme != "OSS" or not access_id:
            raise ServiceError(
                400,
                "InvalidArgument",
                "The emulator reads 'Authorization: OSS <AccessKeyId>:<Signature>', version 1 of OSS's signatures.",
            )
        date = request.headers.get("x-oss-date") or request.headers.get("date", "")
    elif "Signature" in request.query:
        access_id, given, date = (request.query.get(name, "") for name in ("OSSAccessKeyId", "Signature", "Expires"))
        if not (date.isascii() and date.isdecimal()) or int(date) < now:
            raise ServiceError(403, "AccessDenied", f"Request has expired: Expires is '{date[:20]}'.")
    elif needed:
        raise ServiceError(
            403, "AccessDenied", f"Anonymous access is forbidden for this operation: sign {request.method} requests."
        )
    else:
        return
    wanted = base64.b64encode(hmac.new(secret.encode(), _octets(_text(request, date)), hashlib.sha1).digest())
    if not hmac.compare_digest(wanted, _octets(given)):
        raise ServiceError(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. "
            f"Check the secret of '{access_id}' and the signing method.",
        )


def _text(request: OssRequest, date: str) -> str:
    headers = request.headers
    own = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers) if name.startswith("x-oss-"))
    signed = sorted((name, value) for name, value in request.query.items() if name in SUBRESOURCES)
    query = "&".join(f"{name}={value}" if value else name for name, value in signed)
    resource = f"{request.resource}?{query}" if query else request.resource
    kind, digest = headers.get("content-type", ""), headers.get("content-md5", "")
    return f"{request.method}\n{digest}\n{kind}\n{date}\n{own}{resource}"


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")  # header values that were no UTF-8 arrive in this form
