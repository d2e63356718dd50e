"""Faults of shape in plain words."""

from typing import Any

import pytest

from tests.sources.batchcompute.description.jobs import EXAMPLE, faults_of, job, with_task

COUNT = "DAG.Tasks.count."


@pytest.mark.parametrize(
    ("description", "says"),
    [
        ([], "must be an object {...}, not a list"),
        (job(DAG=[1]), "DAG: must be an object {...}, not a list"),
        (job(DAG=None), "DAG: must be an object {...}, not null"),
        (job(JobFailOnInstanceFail="true"), 'JobFailOnInstanceFail: must be true or false, not "true"'),
        (job(Name=7), "Name: must be a text in double quotes, not 7"),
        (job(Name={}), "Name: must be a text in double quotes, not an object"),
        (job(Priority="x" * 100), f'Priority: must be a whole number, not "{"x" * 35}...'),
        (job(type="DAG"), "type: is no key that the service knows: is Type meant?"),
        (job(Timeout=5), f"Timeout: is not known here: it belongs to {COUNT.replace('count.', '*')}"),
        (job(Id="job-1"), "Id: a job gets its id from the service: take this out"),
        (with_task(Bogus=1), f"{COUNT}Bogus: is no key that the service knows: here it knows AutoCluster, ClusterId, "),
        (with_task(Parameters={}), f"{COUNT}Parameters.Command: is missing"),
        (
            with_task(AutoCluster={"ImageId": "i", "ResourceType": "on-demand"}),
            f'{COUNT}AutoCluster.ResourceType: must be OnDemand, Spot or PrePaid, not "on-demand"',
        ),
        (
            with_task(AutoCluster={"ImageId": "i", "SpotPriceLimit": -1}),
            f"{COUNT}AutoCluster.SpotPriceLimit: must be at least 0, not -1",
        ),
        (
            with_task(Mounts={"Entries": [{"Source": "oss://bucket/x/", "Destination": "/x/", "WriteSuport": True}]}),
            f"{COUNT}Mounts.Entries[0].WriteSuport: is no key that the service knows: is WriteSupport meant?",
        ),
        (
            job(Notification={"Topic": {"Events": ["OnJobFailed", "OnJobExploded"]}}),
            "Notification.Topic.Events[1]: must be OnJobWaiting, ",
        ),
    ],
)
def test_words(description: object, says: str) -> None:
    """Where it is, what belongs there, and what stands there."""
    (said,) = faults_of(description)
    assert said.startswith(says)


@pytest.mark.parametrize("missing", ["Name", "Priority", "JobFailOnInstanceFail", "DAG"])
def test_what_is_missing(missing: str) -> None:
    """What the service demands is asked for by name."""
    assert faults_of({key: value for key, value in EXAMPLE.items() if key != missing}) == [f"{missing}: is missing"]


@pytest.mark.parametrize(
    "keys",
    [
        {"Parameters": {"Command": {"CommandLine": "x", "EnvVars": {"TOKEN": ["s3cr3t"], "PIN": 123456}}}},
        {"Mounts": {"OSS": {"AccessKeySecret": ["s3cr3t"], "AccessKeyId": 123456}}},
        {"Mounts": {"OSS": ["s3cr3t", 123456]}},
        {"AutoCluster": {"ImageId": "i", "UserData": "s3cr3t"}},
    ],
)
def test_secrets_are_not_repeated(keys: dict[str, Any]) -> None:
    """What may be a secret does not get into a message, which may get into a log."""
    said = "\n".join(faults_of(with_task(**keys)))
    assert said
    assert "s3cr3t" not in said
    assert "123456" not in said
