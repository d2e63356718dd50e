"""The client's one error."""

from monitor.client.errors import ClientError


def test_code_and_message() -> None:
    """The code is for programs, the text for people."""
    error = ClientError("not_found", "nothing has this key")
    assert (error.code, str(error)) == ("not_found", "nothing has this key")
