from monitor.emulator.batchcompute import refusals


def test_the_published_forms() -> None:
    """Status, code and message as clients know them."""
    cases = {
        (404, "InvalidResource.NotFound", "Specified resource is not found."): refusals.not_found(),
        (400, "MissingPriority", "Priority is mandatory for this action."): refusals.missing("Priority"),
        (409, "StateConflict", "User operation is invalid. The current resource state is running."): refusals.conflict(
            "Running"
        ),
    }
    for (status, code, message), error in cases.items():
        assert (error.status, error.code, error.message) == (status, code, message)


def test_what_is_wrong_is_told_with_how_it_is_wanted() -> None:
    """After the published sentence."""
    error = refusals.invalid("Priority", "It must be in [0, 1000].")
    assert (error.status, error.code) == (400, "InvalidPriority")
    assert error.message == "Specified parameter Priority is not valid. It must be in [0, 1000]."
