"""Executions of runs: which one a run's is, which name the next one gets, and what is said when AWS refuses."""

import json
from datetime import UTC, datetime

import pytest

from infra.backlog.executions import Counts, Execution, Executions, Status
from infra.backlog.watching import watch
from infra.errors import InfraError
from tests.infra.backlog.conftest import EXECUTION, MACHINE

BEGAN, ENDED = datetime(2026, 11, 29, 20, tzinfo=UTC), datetime(2026, 11, 29, 21, tzinfo=UTC)
EVENT = {"job": "plan", "run": "photos", "prefix": "s3://shop/photos/"}


class Steps:
    """What Step Functions answers, call by call."""

    def __init__(self, stubber):
        self.stubber = stubber

    def describe(self, name, status=None, *, run=None, began=BEGAN, ended=None, **more):
        """An execution of a name, or none if it has no status."""
        asked = {"executionArn": f"{EXECUTION}:{name}"}
        if status is None:
            self.stubber.add_client_error("describe_execution", "ExecutionDoesNotExist", expected_params=asked)
            return
        answer = {
            "executionArn": f"{EXECUTION}:{name}",
            "stateMachineArn": MACHINE,
            "name": name,
            "status": status,
            "startDate": began,
            "input": json.dumps({"job": "plan", "run": run or name}),
        }
        self.stubber.add_response("describe_execution", answer | ({"stopDate": ended} if ended else {}) | more, asked)

    def start(self, name, error=None):
        asked = {"stateMachineArn": MACHINE, "name": name, "input": json.dumps(EVENT)}
        if error:
            self.stubber.add_client_error("start_execution", error, expected_params=asked)
        else:
            answer = {"executionArn": f"{EXECUTION}:{name}", "startDate": BEGAN}
            self.stubber.add_response("start_execution", answer, asked)

    def redrive(self, name, error=None):
        asked = {"executionArn": f"{EXECUTION}:{name}"}
        if error:
            self.stubber.add_client_error("redrive_execution", error, expected_params=asked)
        else:
            self.stubber.add_response("redrive_execution", {"redriveDate": ENDED}, asked)

    def counts(self, name, **counts):
        arn = f"{EXECUTION}/shards:{name}"
        listed = {"executionArn": f"{EXECUTION}:{name}", "mapRunArn": arn, "stateMachineArn": MACHINE, "startDate": BEGAN}
        self.stubber.add_response("list_map_runs", {"mapRuns": [listed]}, {"executionArn": f"{EXECUTION}:{name}"})
        names = ("pending", "running", "succeeded", "failed", "timedOut", "aborted", "total", "resultsWritten")
        told = {
            "mapRunArn": arn,
            "executionArn": f"{EXECUTION}:{name}",
            "status": "RUNNING",
            "startDate": BEGAN,
            "maxConcurrency": 50,
            "toleratedFailurePercentage": 5,
            "toleratedFailureCount": 0,
            "itemCounts": dict.fromkeys(names, 0) | counts,
            "executionCounts": dict.fromkeys(names, 0),
        }
        self.stubber.add_response("describe_map_run", told, {"mapRunArn": arn})


@pytest.fixture
def steps(stub):
    return Steps(stub("stepfunctions"))


@pytest.fixture
def executions(deployed):
    return Executions(deployed, sleep=lambda _: None)


def execution(name="photos", status=Status.FAILED):
    return Execution(f"{EXECUTION}:{name}", name, "photos", status, BEGAN, ENDED, is_redrivable=True)


def test_the_first_execution_of_a_run_has_its_name(executions, steps):
    steps.describe("photos")
    steps.start("photos")
    started = executions.start("photos", EVENT)

    assert (started.name, started.run, started.status) == ("photos", "photos", Status.RUNNING)


def test_the_next_execution_takes_the_first_name_that_nobody_has(executions, steps):
    """`photos-2` is the second run of that name, and not the second execution of the first."""
    steps.describe("photos", "FAILED")
    steps.describe("photos-2", "RUNNING", run="photos-2")
    steps.describe("photos-3")
    steps.start("photos-3")

    assert executions.start("photos", EVENT).name == "photos-3"


def test_of_two_who_start_a_run_at_the_same_time_both_have_the_same_execution(executions, steps):
    steps.describe("photos")
    steps.start("photos", "ExecutionAlreadyExists")
    steps.describe("photos", "RUNNING")

    assert executions.start("photos", EVENT).name == "photos"


def test_a_run_that_is_running_is_not_started_again(executions, steps):
    steps.describe("photos", "RUNNING")

    assert executions.start("photos", EVENT).status is Status.RUNNING


def test_the_latest_execution_of_a_run_is_found_among_those_of_other_runs(executions, steps):
    steps.describe("photos", "FAILED")
    steps.describe("photos-2", "RUNNING", run="photos-2", began=ENDED)
    steps.describe("photos-3", "ABORTED", run="photos", began=ENDED, ended=ENDED, error="Stopped", cause="by a person")
    steps.describe("photos-4")
    found = executions.latest_of("photos")

    assert (found.name, found.status, found.error, found.cause) == ("photos-3", Status.ABORTED, "Stopped", "by a person")


def test_a_run_that_was_never_started_has_no_execution(executions, steps):
    steps.describe("photos")

    assert executions.latest_of("photos") is None


def test_a_failed_execution_is_redriven_and_its_old_end_is_not_taken_for_its_new_one(executions, steps):
    steps.redrive("photos")
    steps.describe("photos", "FAILED", ended=ENDED)
    steps.describe("photos", "RUNNING")

    assert executions.resume(execution(), EVENT).status is Status.RUNNING


@pytest.mark.parametrize("error", ["ExecutionNotRedrivable", "AccessDeniedException"])
def test_what_cannot_be_redriven_goes_on_in_another_execution(executions, steps, error):
    steps.redrive("photos", error)
    steps.describe("photos", "FAILED")
    steps.describe("photos-2")
    steps.start("photos-2")

    assert executions.resume(execution(), EVENT).name == "photos-2"


def test_an_execution_that_is_known_not_to_be_redrivable_is_not_redriven(executions, steps):
    steps.describe("photos", "FAILED", redriveStatus="NOT_REDRIVABLE")
    steps.describe("photos", "FAILED")
    steps.describe("photos-2")
    steps.start("photos-2")

    assert executions.resume(executions.describe("photos"), EVENT).name == "photos-2"


def test_shards_that_ended_in_any_way_are_done(executions, steps):
    steps.counts("photos", total=40, succeeded=20, failed=2, timedOut=1, aborted=3, running=9, pending=5)
    counts = executions.counts_of(execution())

    assert (counts, counts.done) == (Counts(total=40, succeeded=20, failed=6, running=9), 26)


def test_nothing_is_known_of_shards_before_the_map_has_begun(executions, stub):
    stub("stepfunctions").add_response("list_map_runs", {"mapRuns": []})

    assert executions.counts_of(execution()) is None


@pytest.mark.parametrize(
    ("operation", "call", "told"),
    [
        ("describe_execution", lambda one: one.describe("photos"), "allow states:DescribeExecution to the identity"),
        ("list_executions", lambda one: one.recent(), "allow states:ListExecutions to the identity"),
        ("stop_execution", lambda one: one.stop(execution()), "allow states:StopExecution to the identity"),
    ],
)
def test_a_refusal_names_the_permission_that_is_missing(executions, stub, operation, call, told):
    stub("stepfunctions").add_client_error(operation, "AccessDeniedException", "no")

    with pytest.raises(InfraError, match=told):
        call(executions)


def test_a_start_that_is_refused_names_the_permission(executions, steps):
    steps.describe("photos")
    steps.start("photos", "AccessDeniedException")

    with pytest.raises(InfraError, match="allow states:StartExecution to the identity that you run this with"):
        executions.start("photos", EVENT)


def test_recent_runs_are_listed_with_their_runs_the_latest_first(executions, steps, stub):
    listed = [
        {
            "executionArn": f"{EXECUTION}:{name}",
            "stateMachineArn": MACHINE,
            "name": name,
            "status": "RUNNING",
            "startDate": BEGAN,
        }
        for name in ("a", "b")
    ]
    stub("stepfunctions").add_response("list_executions", {"executions": listed})
    steps.describe("a", "SUCCEEDED", run="scheduled-2026-11-29T20:00:00Z")
    steps.describe("b", "RUNNING", began=ENDED)

    assert [(one.name, one.run) for one in executions.recent()] == [("b", "b"), ("a", "scheduled-2026-11-29T20:00:00Z")]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"run": null}', "7"])
def test_an_execution_that_somebody_started_by_hand_is_a_run_of_its_own_name(executions, steps, text):
    steps.describe("photos", "RUNNING", input=text)

    assert executions.describe("photos").run == "photos"


def test_watching_survives_a_network_that_is_away_for_a_while(executions, steps, stub):
    told, pauses = [], []
    steps.counts("photos", total=4, succeeded=1)
    stub("stepfunctions").add_client_error("describe_execution", "InternalServerError")
    stub("stepfunctions").add_client_error("list_map_runs", "InternalServerError")
    steps.describe("photos", "RUNNING")
    steps.counts("photos", total=4, succeeded=4)
    steps.describe("photos", "SUCCEEDED", ended=ENDED)
    found = watch(executions, execution(status=Status.RUNNING), told.append, pauses.append)

    assert (found.status, found.ended) == (Status.SUCCEEDED, ENDED)
    assert [counts.done for counts in told] == [1, 4]
    assert pauses == sorted(pauses)


def test_watching_ends_when_nothing_can_be_seen_any_more(executions, stub):
    for _ in range(10):
        stub("stepfunctions").add_client_error("list_map_runs", "InternalServerError")
        stub("stepfunctions").add_client_error("describe_execution", "InternalServerError")

    with pytest.raises(InfraError, match="describe the execution photos"):
        watch(executions, execution(status=Status.RUNNING), lambda _: None, lambda _: None)
