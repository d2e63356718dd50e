"""The job description as types: one class for each object of it, one field for each key.

Only shapes and the limits of single values are here; what several keys say together is in `relations.py`.
A null is taken where a key is optional: the vendor's client sends it for what was not set.
"""

from typing import Annotated, Any, Literal

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal

from monitor.sources.batchcompute.description import values
from monitor.sources.batchcompute.description.order import predecessors, running_order


class Step(Struct, frozen=True, gc=False):
    """What runs at one point of a job: `instances` programs at once, after all of `depends_on`. `timeout` is in
    seconds; None leaves it to the service."""

    name: str
    instances: int
    depends_on: tuple[str, ...]
    max_retries: int
    timeout: int | None


class Part(BaseModel):
    """Keys as the service writes them; others are faults, and so are values that would first have to be converted."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, hide_input_in_errors=True, alias_generator=to_pascal
    )

    def document(self) -> dict[str, Any]:  # Any: JSON
        """What was written, key by key."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


# --- where it runs ---


class Disk(Part):
    """A disk of a VM; sizes are in GB."""

    type: str | None = None
    mount_point: str | None = None


class SystemDisk(Disk):
    """The disk that the VM starts from."""

    size: Annotated[int, Field(ge=40, le=500)] | None = None


class DataDisk(Disk):
    """A disk beside it."""

    size: Annotated[int, Field(ge=5, le=2000)] | None = None


class Disks(Part):
    """Both disks."""

    system_disk: SystemDisk | None = None
    data_disk: DataDisk | None = None


class Networks(Part):
    """Of these the service documents only a part of the keys."""

    classic: dict[str, values.Json] | None = None
    vpc: dict[str, values.Json] | None = Field(default=None, alias="VPC")


class MountEntry(Part):
    """One mounted place."""

    source: values.Filled
    destination: values.Filled
    write_support: bool | None = None


class MountRights(Part):
    """The key that OSS is mounted with."""

    access_key_id: str | None = None
    access_key_secret: str | None = None
    security_token: str | None = None
    access_security_token: str | None = None  # the same, as the service's pages call it


class MountNas(Part):
    """Rights to network file systems."""

    access_group: values.Texts | None = None
    file_system: values.Texts | None = None


class Mounts(Part):
    """What is mounted, and how it is cached."""

    entries: Annotated[tuple[MountEntry, ...], Field(strict=False)] | None = None
    locale: str | None = None
    lock: bool | None = None
    cache_support: bool | None = None
    cache_block_size: values.NotNegative | None = None
    cache_total_size: values.NotNegative | None = None
    refresh_strategy: str | None = None
    refresh_topic_name: str | None = None
    refresh_time_out: values.NotNegative | None = None
    nas_meta_cache: bool | None = None
    nas: MountNas | None = Field(default=None, alias="NAS")
    oss: MountRights | None = Field(default=None, alias="OSS")


class Configs(Part):
    """Disks, networks and mounts of each VM."""

    disks: Disks | None = None
    networks: Networks | None = None
    mounts: Mounts | None = None


class AutoCluster(Part):
    """The VMs that are made for one task and go with it."""

    instance_type: str | None = None
    resource_type: values.Resource | None = None
    image_id: str | None = None
    ecs_image_id: str | None = Field(default=None, alias="ECSImageId")
    spot_strategy: values.Spot | None = None
    spot_price_limit: values.Price | None = None
    user_data: dict[str, values.Json] | None = None
    reserve_on_fail: bool | None = None
    cluster_id: str | None = None
    dependency_isv_service: str | None = None
    configs: Configs | None = None


# --- what runs ---


class Docker(Part):
    """The image that the program runs in; "" is none."""

    image: str | None = None


class Command(Part):
    """The program, and what is unpacked into its working directory."""

    command_line: values.Filled
    package_path: values.OssFile | None = None
    env_vars: values.EnvVars | None = None
    docker: Docker | None = None


class InputMappingConfig(Part):
    """How OSS is mounted."""

    locale: str | None = None
    lock: bool | None = None


class Parameters(Part):
    """The program and where its output goes."""

    command: Command
    input_mapping_config: InputMappingConfig | None = None
    stdout_redirect_path: values.OssDirectory | None = None
    stderr_redirect_path: values.OssDirectory | None = None


class Task(Part):
    """The same program on so many instances at once. Spans are in seconds."""

    parameters: Parameters
    instance_count: values.AtLeastOne | None = None
    cluster_id: str | None = None
    auto_cluster: AutoCluster | None = None
    timeout: values.AtLeastOne | None = None
    max_retry_count: values.NotNegative | None = None
    input_mapping: dict[values.Mountable, values.LocalPath] | None = None
    output_mapping: dict[values.LocalPath, values.OssPath] | None = None
    log_mapping: dict[values.LocalPath, values.OssDirectory] | None = None
    write_support: bool | None = None
    mounts: Mounts | None = None


class Dag(Part):
    """The tasks, and for each the tasks that wait for it."""

    tasks: Annotated[dict[values.TaskName, Task], Field(min_length=1)]
    dependencies: dict[str, values.Texts] | None = None


class AppLogging(Part):
    """Where the output of an app goes."""

    stdout_path: values.OssDirectory | None = None
    stderr_path: values.OssDirectory | None = None


class AppConfig(Part):
    """What of an app's own configuration this job replaces. Sizes are in GB, spans in seconds."""

    resource_type: values.Resource | None = None
    instance_type: str | None = None
    instance_count: values.AtLeastOne | None = None
    min_disk_size: values.NotNegative | None = None
    disk_type: str | None = None
    min_data_disk_size: values.NotNegative | None = None
    data_disk_type: str | None = None
    data_disk_mount_point: str | None = None
    max_retry_count: values.NotNegative | None = None
    timeout: values.AtLeastOne | None = None
    classic_network: bool | None = None
    cluster_id: str | None = None
    reserve_on_fail: bool | None = None


class App(Part):
    """A prepared program by its name, which is `:name` where it is public."""

    app_name: Annotated[str, Field(min_length=1, max_length=1024)]
    inputs: Annotated[dict[str, values.Json], Field(max_length=50)] | None = None
    outputs: dict[str, values.Json] | None = None
    logging: AppLogging | None = None
    config: AppConfig | None = None


# --- the job ---


class Topic(Part):
    """Where the service tells what happened."""

    name: str | None = None
    endpoint: str | None = None
    events: Annotated[tuple[values.JobEvent, ...], Field(strict=False)] | None = None
    user_data: values.Json = None
    user_template: str | None = None


class Notification(Part):
    """What the service tells by itself."""

    topic: Topic | None = None


class DagJob(Part):
    """A job of tasks."""

    name: values.JobName
    type: Literal["DAG", "App"]
    priority: values.JobPriority
    job_fail_on_instance_fail: bool
    description: values.Description | None = None
    auto_release: bool | None = None
    notification: Notification | None = None
    dag: Dag = Field(alias="DAG")

    def steps(self) -> tuple[Step, ...]:
        """Its tasks, each behind those it depends on; else in the order they are written in."""
        needs = predecessors(self.dag.tasks, self.dag.dependencies or {})
        return tuple(_step(name, self.dag.tasks[name], needs[name]) for name in running_order(needs))


class AppJob(Part):
    """A job of one prepared program."""

    name: values.AppJobName
    type: Literal["DAG", "App"]
    priority: values.JobPriority | None = None
    job_fail_on_instance_fail: bool | None = None
    description: values.Description | None = None
    auto_release: bool | None = None
    notification: Notification | None = None
    app: App

    def steps(self) -> tuple[Step, ...]:
        """The one thing that it runs."""
        config = self.app.config or AppConfig()
        return (Step(self.app.app_name, config.instance_count or 1, (), config.max_retry_count or 0, config.timeout),)


Job = DagJob | AppJob


def _step(name: str, task: Task, depends_on: tuple[str, ...]) -> Step:
    return Step(name, task.instance_count or 1, depends_on, task.max_retry_count or 0, task.timeout)
