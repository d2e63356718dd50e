"""The section of a MaxCompute source in the config file."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from monitor.section import Secret
from monitor.sources.section import Discover, Endpoint, HeaderSecret, Names, SourceSection, none_for_false


def _region(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]+", text):
        raise ValueError("write it like cn-hangzhou, or omit it for the legacy signature")
    return text


class InstanceDiscover(Discover):
    """What is tracked without being registered. `jobs` must match the whole job name.

    Only the listing of queued and running instances tells job names. With any other pattern than the default, those
    that ended between two sweeps, and all where the account may not read that listing, cost one request each to learn
    their names. An instance whose name cannot be read is tracked: better one alert too many than a failure missed.
    """

    owner: Literal["all", "mine"] = "all"


_read_discover = none_for_false("{owner: all, jobs: '.*'}")


class MaxComputeSection(SourceSection):
    """One account on one MaxCompute endpoint."""

    type: Literal["maxcompute"]
    region: Annotated[str, AfterValidator(_region)] | None = None  # None: the legacy signature
    projects: Names
    access_id: HeaderSecret | None = None
    access_key: Secret | None = None
    sts_token: HeaderSecret | None = None
    bearer_token: HeaderSecret | None = None
    app_access_id: HeaderSecret | None = None
    app_access_key: Secret | None = None
    discover: Annotated[InstanceDiscover | None, BeforeValidator(_read_discover)] = InstanceDiscover()
    logview_version: Literal["v1", "v2"] | None = None  # None: v2 where the service has it and the region is known
    logview_host: Endpoint | None = None  # of v1; None: asked of the service
    console_host: Endpoint | None = None  # of v2; None: asked of the service
    logview_hours: int = Field(default=1, ge=1, le=168)
    mcqa_quota: str | None = None  # of query acceleration, where the service does not choose one by itself

    @model_validator(mode="after")
    def _credentials(self) -> "MaxComputeSection":
        if self.bearer_token is not None:
            if self.access_key or self.sts_token or self.app_access_key:
                raise ValueError("a bearer_token signs nothing: remove access_key, sts_token and app_access_key")
        elif self.access_id is None or self.access_key is None:
            raise ValueError("no credentials: give access_id and access_key, or a bearer_token")
        if (self.app_access_id is None) is not (self.app_access_key is None):
            raise ValueError("app_access_id and app_access_key come together: give both or neither")
        if self.logview_version == "v2" and self.region is None:
            raise ValueError("logview_version v2 needs the region: its addresses hold it")
        return self
