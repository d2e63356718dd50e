import pytest

from monitor.emulator.sql.casting import cast
from monitor.emulator.sql.errors import SqlError
from monitor.emulator.sql.values import Value


@pytest.mark.parametrize(
    ("value", "to", "wanted"),
    [
        ("12", "bigint", 12),
        ("1.6", "bigint", 1),
        (1.6, "int", 1),
        ("1", "double", 1.0),
        (3, "string", "3"),
        (b"abc", "varchar(10)", "abc"),
        ("TRUE", "boolean", 1),
        (0, "boolean", 0),
        ("2.5", "decimal(10,2)", 2.5),
        ("2025-01-24", "datetime", "2025-01-24 00:00:00"),
        ("2025-01-24 10:00:00", "date", "2025-01-24"),
        (None, "bigint", None),
    ],
)
def test_what_converts(value: Value, to: str, wanted: Value) -> None:
    """As the service converts it."""
    assert cast(value, to) == wanted


@pytest.mark.parametrize(
    ("value", "to", "message"),
    [
        ("abc", "bigint", "Illegal type cast - in function cast, value 'abc' cannot be casted from String to Bigint"),
        ("", "double", "value '' cannot be casted from String to Double"),
        ("inf", "bigint", "value 'inf' cannot be casted from String to Bigint"),
        (5, "blob", "value '5' cannot be casted from Bigint to Blob"),
        ("300", "tinyint", "ODPS-0121145:Data overflow - in function cast, value 300 is out of the range of Tinyint"),
        ("9223372036854775808", "bigint", "out of the range of Bigint"),
        ("24/1/2025", "datetime", "ODPS-0121095:Invalid arguments - in function cast, string datetime's format"),
    ],
)
def test_what_does_not_convert_fails(value: Value, to: str, message: str) -> None:
    """With the service's code and the value."""
    with pytest.raises(SqlError) as raised:
        cast(value, to)
    assert message in str(raised.value)
