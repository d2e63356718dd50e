from monitor.emulator.requestlog import RequestLog


def test_requests_are_counted_by_operation() -> None:
    """With the most that fell into any one second, per operation and in all."""
    now = [0.0]
    log = RequestLog(lambda: now[0])
    for operation, at in (("list", 0.0), ("list", 0.5), ("status", 0.6), ("list", 1.2), ("list", 5.0)):
        now[0] = at
        log.add(operation)
    assert log.report() == {
        "total": {"count": 5, "peak_per_second": 3},
        "operations": {
            "list": {"count": 4, "peak_per_second": 2},
            "status": {"count": 1, "peak_per_second": 1},
        },
    }


def test_a_cleared_log_is_empty() -> None:
    """Tests begin with it."""
    log = RequestLog(lambda: 0.0)
    log.add("list")
    log.clear()
    assert log.report() == {"total": {"count": 0, "peak_per_second": 0}, "operations": {}}
