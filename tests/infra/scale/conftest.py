"""Stacks of round numbers, whose figures can be worked out by hand."""

import pytest
from msgspec.structs import replace

from infra.cost.times import Client, Times
from infra.scale.deployment import Deployment, Repetition
from infra.scale.instance import Costs
from infra.scale.limits import Limits
from infra.scale.stack import Stack


@pytest.fixture(name="stack")
def _stack():
    """S3 answers at once and without a limit; an object takes 10 ms of the processor: 4 for its GET, 4 for its PUT, 2 more."""
    deployment = Deployment(
        batch_objects=100,
        window_s=2.0,
        max_concurrency=10,
        visibility_s=960.0,
        max_receives=8,
        memory_mb=1769,
        timeout_s=900.0,
        reserve_s=10.0,
        client=Client.boto3,
        s3_concurrency=64,
        backlog_concurrency=50,
        tolerated_percent=5,
        repetition=Repetition(5, 3, 4, 300),
    )
    times = Times(
        lambda_ms_single_boto3=10.0,
        lambda_ms_single_obstore=5.0,
        lambda_ms_packed_image=1.0,
        log_bytes_object=100,
        machine="a machine",
        measured="2026-11-29",
    )
    costs = Costs(get_s=0.004, put_s=0.004, rest_s=0.002, packed_image_s=0.001, start_s=0.5)
    limits = Limits(gets_per_second=1e9, puts_per_second=1e9, s3_s=0.0, environment_s=0.5)
    return Stack(deployment, costs, times, limits)


@pytest.fixture(name="changed")
def _changed(stack):
    """Returns the stack with other parameters, and limits if they are called so."""

    def change(limits=None, **parameters):
        deployment = replace(stack.deployment, **parameters)
        return replace(stack, deployment=deployment, limits=replace(stack.limits, **(limits or {})))

    return change
