"""Signs requests: HMAC-SHA1 over the method, a few headers and the request target, as it stands on the wire.

Pure: date and nonce come in with each call. A target is text that is made here and sent unchanged, because a URL that
somebody normalises on the way no longer fits its signature.
"""

import hmac
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import quote

from msgspec import Struct

from monitor.section import Secret

API_VERSION = "2015-11-11"
_JSON = "application/json"

Params = tuple[tuple[str, str], ...]


def query(params: Params) -> str:
    """`?` and the parameters in the order of their names; one with an empty value is a bare name without `=`."""
    if not params:
        return ""
    return "?" + "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}" if value else quote(name, safe="")
        for name, value in sorted(params)
    )


class Account(Struct, frozen=True, kw_only=True):
    """Who asks: a key pair, perhaps temporary (`sts_token`), in a region."""

    access_id: Secret
    access_key: Secret
    region: str
    sts_token: Secret | None = None

    def secrets(self) -> tuple[str, ...]:
        """What no message may hold."""
        held = (self.access_key, self.sts_token)
        return tuple(secret.reveal() for secret in held if secret is not None)


class Signer:
    """Makes the headers that say who asks. `common` are those that every request carries, whoever asks: what is given
    here, and the service's own. Of both, names in `x-acs-` are signed."""

    def __init__(self, account: Account, common: Mapping[str, str]) -> None:
        self._id = account.access_id.reveal()
        self._key = hmac.new(account.access_key.reveal().encode(), digestmod="sha1")
        acs = {
            "x-acs-region-id": account.region,
            "x-acs-signature-method": "HMAC-SHA1",
            "x-acs-signature-version": "1.0",
            "x-acs-version": API_VERSION,
        }
        self._who = {"x-acs-access-key-id": self._id}
        if account.sts_token is not None:
            self._who["x-acs-security-token"] = account.sts_token.reveal()
        self.common = {"Accept": _JSON, "Content-Type": _JSON, **common, **acs}
        signed = sorted((self._who | acs).items())
        nonce = "x-acs-signature-nonce"
        self._before = "".join(f"{name}:{value}\n" for name, value in signed if name < nonce) + nonce + ":"
        self._after = "".join(f"\n{name}:{value}" for name, value in signed if name > nonce) + "\n"

    def headers(self, method: str, target: str, date: str, nonce: str) -> dict[str, str]:
        """The other headers of a request for `target`: path and query as they go out."""
        # The empty line is Content-MD5: bodies are not covered by this service's signature.
        text = f"{method}\n{_JSON}\n\n{_JSON}\n{date}\n{self._before}{nonce}{self._after}{target}"
        signature = self._key.copy()  # half the price of beginning with the key each time
        signature.update(text.encode())
        return {
            "Date": date,
            "x-acs-signature-nonce": nonce,
            **self._who,
            "Authorization": f"acs {self._id}:{b64encode(signature.digest()).decode()}",
        }
