"""What the service says no with: statuses, codes and the published forms of its messages."""

from monitor.emulator.errors import ServiceError


def missing(param: str) -> ServiceError:
    """A parameter that must be given was not."""
    return ServiceError(400, f"Missing{param}", f"{param} is mandatory for this action.")


def invalid(param: str, why: str) -> ServiceError:
    """A parameter was given, but not like that; `why` says how it is wanted."""
    return ServiceError(400, f"Invalid{param}", f"Specified parameter {param} is not valid. {why}")


def not_found() -> ServiceError:
    """There is no such job, task, instance or path."""
    return ServiceError(404, "InvalidResource.NotFound", "Specified resource is not found.")


def conflict(state: str) -> ServiceError:
    """The job exists, but what is asked cannot be done to it now."""
    return ServiceError(
        409, "StateConflict", f"User operation is invalid. The current resource state is {state.lower()}."
    )
