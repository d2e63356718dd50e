from typing import Any

import pytest

from tests.emulator.batchcompute.client import asking

TEXTS = (
    ("/quotas", "AvailableClusterInstanceType"),
    ("/quotas", "AvailableSpotInstanceType"),
    ("/quotas", "AvailableClusterResourceType"),
    ("/quotas", "AvailableClusterInstanceSystemDiskType"),
    ("/quotas", "AvailableClusterInstanceDataDiskType"),
    ("/available", "AvailableResourceType"),
    ("/available", "AvailableSystemDiskType"),
    ("/available", "AvailableDataDiskType"),
)


@pytest.mark.asyncio
async def test_what_is_on_offer(visit: Any) -> None:
    """Lists of words, among them the machine of the published example, and what each machine is."""
    async with asking(visit) as client:
        for path, field in TEXTS:
            words = (await client.get(path))[field]
            assert words
            assert all(isinstance(word, str) for word in words)
        offer = await client.get("/available")
        assert offer["AvailablePrepaidInstanceType"] == []
        for field in ("AvailableClusterInstanceType", "AvailableSpotInstanceType"):
            medium = {
                "InstanceType": "ecs.sn1.medium",
                "CpuCore": 2,
                "MemorySize": 4,
                "Network": {"Classic": True, "Vpc": True},
            }
            assert medium in offer[field]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "target",
    [
        "/clusters?Marker&MaxItemCount=10",
        "/images?Marker&MaxItemCount=10&Type=System",
        "/apps?Marker&MaxItemCount=50&Scope=Private",
    ],
)
async def test_what_nobody_has_is_an_empty_list(visit: Any, target: str) -> None:
    """Not a refusal."""
    async with asking(visit) as client:
        assert await client.get(target) == {"NextMarker": "", "Items": []}
        assert (await client.ask("GET", target, secret="guessed")).status == 400
