from monitor.emulator.sql.values import shown


def test_a_value_in_a_message_fits_on_a_line() -> None:
    """However large the cell."""
    assert shown(5) == "5"
    assert shown("x" * 5000) == "x" * 100 + "..."
