"""What can go wrong between a program and its daemon."""


class ClientError(Exception):
    """The daemon refused or could not be asked. The message is one line for people.

    `code` is the API's own word (`not_found`, `conflict`, `bad_request`, `source_failed`, ..), or one of ours:
    `unreachable`, `bad_url`, `not_stagewatch`, `unauthorized` (something in front of the daemon asks who you are).
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
