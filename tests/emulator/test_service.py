from typing import Any

import pytest

from monitor.emulator.errors import ServiceError
from monitor.emulator.scenario import Recipe
from monitor.emulator.service import owner_of


def test_an_owner_is_named_after_its_access_id() -> None:
    """So every access id has a place."""
    assert owner_of("me") == "ALIYUN$me@demo.example"


@pytest.mark.asyncio
async def test_instances_are_required_by_project_and_id(visit: Any) -> None:
    """Each missing part has its own error."""
    async with visit() as site:
        service = site.emulator.maxcompute
        instance = service.script("demo", "me", "job", 9, Recipe())
        assert service.require("demo", instance.id) is instance
        for project, id_, code in (("nope", instance.id, "NoSuchProject"), ("demo", "nope", "NoSuchObject")):
            with pytest.raises(ServiceError) as raised:
                service.require(project, id_)
            assert (raised.value.status, raised.value.code) == (404, code)


@pytest.mark.asyncio
async def test_a_stop_never_comes_after_the_end(visit: Any) -> None:
    """Whoever is stopped in its last moment ends in that moment, cancelled."""
    async with visit(speed=0) as site:
        service = site.emulator.maxcompute
        instance = service.script("demo", "me", "", 9, Recipe(seconds=10, wait=0))
        service.clock.advance(9.95)
        service.stop(instance)
        assert instance.plan.ends == 10
        assert instance.result.text == "ODPS-0120031:Instance has been cancelled - the instance was stopped"
        service.clock.advance(1)
        with pytest.raises(ServiceError, match="Terminated already"):
            service.stop(instance)
