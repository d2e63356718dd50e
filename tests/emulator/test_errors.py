from monitor.emulator.errors import bad_request


def test_a_bad_request_says_why() -> None:
    """In the form of the service's messages."""
    error = bad_request("maxitems must be a number")
    assert (error.status, error.code) == (400, "InvalidParameter")
    assert str(error) == "ODPS-0420061:Invalid parameter in HTTP request - maxitems must be a number"
