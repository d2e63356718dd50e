"""The section of a Batch Compute source in the config file."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator

from monitor.section import Secret, Section
from monitor.sources.section import Endpoint, HeaderSecret, Pattern, SourceSection


def _region(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]{1,128}", text):
        raise ValueError("write it like cn-qingdao: the region of the endpoint's address")
    return text


class Discover(Section):
    """What is tracked without being registered. `jobs` must match the whole job name."""

    jobs: Pattern = ".*"


def _discover(value: object) -> object:
    if value is False:
        return None
    if isinstance(value, dict | Discover):
        return value
    raise ValueError("write {jobs: '.*'}, or false to track only what is registered")


class BatchComputeSection(SourceSection):
    """One account in one region. `submit` says whether jobs may be submitted through it. From `oss_endpoint` the last
    words of failed programs are read, where the service itself does not tell them."""

    type: Literal["batchcompute"]
    region: Annotated[str, AfterValidator(_region)]
    access_id: HeaderSecret
    access_key: Secret
    sts_token: HeaderSecret | None = None
    discover: Annotated[Discover | None, BeforeValidator(_discover)] = Discover()  # false in the file: None here
    submit: bool = True
    oss_endpoint: Endpoint | None = None

    @property
    def projects(self) -> tuple[str, ...]:
        """The region is the one project: the service knows no others."""
        return (self.region,)
