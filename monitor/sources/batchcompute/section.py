"""The section of a Batch Compute source in the config file."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator

from monitor.section import Secret
from monitor.sources.section import Discover, Endpoint, HeaderSecret, SourceSection, none_for_false


def _region(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]{1,128}", text):
        raise ValueError("write it like cn-qingdao: the region of the endpoint's address")
    return text


class BatchComputeSection(SourceSection):
    """One account in one region. `submit` says whether jobs may be submitted through it. From `oss_endpoint` the last
    words of failed programs are read, where the service itself does not tell them."""

    type: Literal["batchcompute"]
    region: Annotated[str, AfterValidator(_region)]
    access_id: HeaderSecret
    access_key: Secret
    sts_token: HeaderSecret | None = None
    discover: Annotated[Discover | None, BeforeValidator(none_for_false("{jobs: '.*'}"))] = Discover()
    submit: bool = True
    oss_endpoint: Endpoint | None = None

    @property
    def projects(self) -> tuple[str, ...]:
        """The region is the one project: the service knows no others."""
        return (self.region,)
