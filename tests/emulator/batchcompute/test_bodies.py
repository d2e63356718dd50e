import pytest

from monitor.emulator.batchcompute.bodies import read_object
from monitor.emulator.errors import ServiceError


def test_an_object_is_read() -> None:
    """With whatever is in it."""
    assert read_object(b'{"a": [1, null, "\\u00e9"]}', "a thing") == {"a": [1, None, "é"]}


NOT_OBJECTS = {
    "nothing": b"",
    "unfinished": b"{",
    "array": b"[]",
    "text": b'"text"',
    "number": b"7",
    "no number": b'{"a": NaN}',
    "bottomless": b'{"a":' * 100_000,
    "not UTF-8": b'{"\xff": 1}',
    "half a character": b'{"a": "\\udc00"}',
    "endless number": b'{"a": 1' + b"0" * 5000 + b"}",
}


@pytest.mark.parametrize("body", NOT_OBJECTS.values(), ids=NOT_OBJECTS)
def test_anything_else_is_refused(body: bytes) -> None:
    """Broken, bottomless, in another encoding, or nothing that could be written again."""
    with pytest.raises(ServiceError, match="The body must be a thing") as caught:
        read_object(body, "a thing")
    assert (caught.value.status, caught.value.code) == (400, "InvalidParameter")
