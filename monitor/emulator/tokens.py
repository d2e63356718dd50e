"""Bearer tokens as the service issues them: base64 of `signature,principal,expiry in epoch seconds,policy as JSON`."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from monitor.emulator.errors import ServiceError


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token allows, and in whose name."""

    principal: str
    policy: Mapping[str, Any]

    def allows(self, action: str, resource: str) -> bool:
        """Whether the policy lets its bearer do that: `action` such as `odps:Read`, `resource` such as
        `projects/demo/instances/ID`. A Deny wins over every Allow."""
        allowed = False
        for statement in _listed(self.policy.get("Statement")):
            if not isinstance(statement, dict):
                continue
            actions, resources = _listed(statement.get("Action")), _listed(statement.get("Resource"))
            if any(fnmatchcase(action.lower(), str(pattern).lower()) for pattern in actions) and any(
                fnmatchcase(f"acs:odps:*:{resource}", str(pattern)) for pattern in resources
            ):
                if statement.get("Effect") == "Deny":
                    return False
                allowed = True
        return allowed


class Tokens:
    """Issues tokens and recognises its own."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, grant: Grant, expires: int) -> str:
        """A token for that grant, good until `expires` (epoch seconds)."""
        rest = f"{grant.principal},{expires},{json.dumps(grant.policy)}"
        return base64.b64encode(f"{self._sign(rest)},{rest}".encode()).decode()

    def grant_of(self, token: str, now: float) -> Grant:
        """What the token grants. Raises ServiceError if it is not ours or has expired."""
        try:
            signature, _, rest = base64.b64decode(token, validate=True).decode().partition(",")
        except (binascii.Error, UnicodeDecodeError):
            signature, rest = "", ""
        if not hmac.compare_digest(signature.encode(), self._sign(rest).encode()):
            raise ServiceError(
                401,
                "Unauthorized",
                "ODPS-0410051:Invalid credentials - this bearer token was not issued by this service",
            )
        principal, expires, policy = rest.split(",", 2)
        if now > int(expires):
            raise ServiceError(
                401,
                "AuthenticationRequestExpired",
                f"ODPS-0410031:Authentication request expired - the bearer token expired at epoch second {expires}",
            )
        return Grant(principal, json.loads(policy))

    def _sign(self, text: str) -> str:
        return base64.b64encode(hmac.new(self._key, text.encode(), hashlib.sha1).digest()).decode()


def _listed(value: object) -> Sequence[Any]:
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)
