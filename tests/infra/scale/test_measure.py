"""A run on the embedded cloud is measured as something that can be simulated."""

import pytest

from infra.errors import InfraError
from infra.scale.measure import Calls, count_documents, measure_backlog, measure_uploads, upload
from infra.scale.measured import compare


def test_runs_of_both_ways_are_measured_and_can_be_simulated(cloud, stack):
    calls = Calls(cloud)
    size_bytes = upload(cloud, 20)
    backlog = measure_backlog(calls, 20, 1)
    assert count_documents(cloud) == 0  # but rows
    calls.busy_s = 0.0
    uploads = measure_uploads(calls, 20, 1)

    runs = [uploads, backlog]
    assert [(run.way, run.workers, run.objects, run.images, run.invocations) for run in runs] == [
        ("uploads", 1, 20, 20, 1),
        ("backlog", 1, 20, 20, 1),
    ]
    assert size_bytes > 20 * 100
    assert count_documents(cloud) == 20
    assert all(one.own_s > 0 for one in compare(runs, stack))


def test_a_function_that_raises_is_an_error(cloud):
    with pytest.raises(InfraError, match="UnrecognisedEvent"):
        Calls(cloud).invoke({"job": "plan"})
