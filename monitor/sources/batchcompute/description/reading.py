"""From a text, or from a value that was JSON, to a job; or to every fault at once."""

from collections.abc import Iterable, Mapping
from itertools import chain, islice
from typing import Any

from pydantic import ValidationError

from monitor.sources.base import BadJobError, Remark
from monitor.sources.batchcompute.description.faults import remarks
from monitor.sources.batchcompute.description.jsontext import oddities, parse
from monitor.sources.batchcompute.description.model import AppJob, DagJob, Job
from monitor.sources.batchcompute.description.relations import contradictions

_MOST_TOLD = 100  # faults of one description: each takes a search for what was meant, and thousands have one cause


def read(text: str) -> Job:
    """The job that this JSON text describes. BadJobError holds all faults, of the text and of what it
    says, or the first hundred."""
    return _job(*parse(text))


def check(description: Mapping[str, Any]) -> Job:  # Any: JSON
    """`read` for what is JSON no more."""
    return _job(description, oddities(description))


def _job(value: Any, faults: Iterable[Remark]) -> Job:  # Any: JSON
    job: Job | None = None
    kind = AppJob if _is_app(value) else DagJob
    try:
        job = kind.model_validate(value)
    except ValidationError as error:
        faults = chain(faults, remarks(error, kind))
    if isinstance(value, dict) and kind is DagJob:
        faults = chain(faults, contradictions(value))
    told = list(islice(faults, _MOST_TOLD + 1))
    if len(told) > _MOST_TOLD:
        told[-1] = Remark("", f"there are more faults than these {_MOST_TOLD}")
    if job is None or told:
        raise BadJobError(told)
    return job


def _is_app(value: Any) -> bool:  # Any: JSON
    """By its Type; by what else is there if that is no help, so that the rest is checked all the same."""
    if not isinstance(value, dict):
        return False
    return value.get("Type") == "App" or (value.get("Type") != "DAG" and "App" in value and "DAG" not in value)
