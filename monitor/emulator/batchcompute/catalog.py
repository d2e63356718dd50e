"""What the service has to offer: kinds of machines and disks, and no clusters, images or apps of anybody."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from aiohttp import web

from monitor.emulator.batchcompute.wire import AuthenticatedHandler, answer


class _Machine(NamedTuple):
    kind: str
    cores: int
    gibibytes: int


_MACHINES = (
    _Machine("ecs.sn1.medium", 2, 4),
    _Machine("ecs.sn1.large", 4, 8),
    _Machine("ecs.sn1.xlarge", 8, 16),
    _Machine("ecs.sn2.medium", 2, 8),
    _Machine("ecs.sn2.large", 4, 16),
    _Machine("ecs.sn2.xlarge", 8, 32),
)
_KINDS = [machine.kind for machine in _MACHINES]
_DETAILS = [
    {
        "InstanceType": machine.kind,
        "CpuCore": machine.cores,
        "MemorySize": machine.gibibytes,
        "Network": {"Classic": True, "Vpc": True},
    }
    for machine in _MACHINES
]
_RESOURCES = ["OnDemand", "Spot"]
_DISKS = ["cloud", "cloud_efficiency", "cloud_ssd"]
_NOTHING: Mapping[str, Any] = {"NextMarker": "", "Items": []}

# By path: the operation and its answer.
ANSWERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "/quotas": (
        "GetQuotas",
        {
            "AvailableClusterInstanceType": _KINDS,
            "AvailableSpotInstanceType": _KINDS,
            "AvailableClusterResourceType": _RESOURCES,
            "AvailableClusterInstanceSystemDiskType": _DISKS,
            "AvailableClusterInstanceDataDiskType": _DISKS,
        },
    ),
    "/available": (
        "GetAvailableResource",
        {
            "AvailableClusterInstanceType": _DETAILS,
            "AvailableSpotInstanceType": _DETAILS,
            "AvailablePrepaidInstanceType": [],
            "AvailableResourceType": _RESOURCES,
            "AvailableSystemDiskType": _DISKS,
            "AvailableDataDiskType": _DISKS,
        },
    ),
    "/clusters": ("ListClusters", _NOTHING),
    "/images": ("ListImages", _NOTHING),
    "/apps": ("ListApps", _NOTHING),
}


def telling(value: Mapping[str, Any]) -> AuthenticatedHandler:
    """A handler whose answer is always the same."""

    async def tell(_request: web.Request, _owner: int) -> web.Response:
        return answer(value)

    return tell
