from monitor.emulator.sql.errors import Place, SqlError, parse_error, semantic_error, table_not_found


def test_a_failure_reads_as_the_service_writes_it() -> None:
    """Code, place, general text, context."""
    assert str(parse_error(";", Place(1, 6))) == "ODPS-0130161:[1,6] Parse exception - invalid token ';'"
    assert str(table_not_found("demo.x", Place(2, 15))) == (
        "ODPS-0130131:[2,15] Table not found - table demo.x cannot be resolved"
    )
    assert str(semantic_error("column a cannot be resolved", Place(1, 8))) == (
        "ODPS-0130071:[1,8] Semantic analysis exception - column a cannot be resolved"
    )


def test_a_failure_at_run_time_has_no_place() -> None:
    """Only compilers know lines."""
    assert str(SqlError("ODPS-0121145", "in function sum")) == "ODPS-0121145:Data overflow - in function sum"
