"""The one way in which the emulated service says no."""


class ServiceError(Exception):
    """An HTTP status, the service's error code (a word that SDKs turn into a class) and the message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def bad_request(why: str) -> ServiceError:
    """Something in the request is wrong; the message says what."""
    return ServiceError(400, "InvalidParameter", f"ODPS-0420061:Invalid parameter in HTTP request - {why}")
