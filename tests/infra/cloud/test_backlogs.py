"""Step Functions and Lambda of the embedded cloud: the template's own state machine, and processes that fail and are killed."""

import json
import subprocess
import sys

import boto3
import pytest
from botocore.exceptions import ClientError

from handler.app import lambda_handler
from infra.cloud.embedded import start_cloud
from infra.cloud.event_source import EventSource
from infra.cloud.guide import uploads
from infra.cloud.instances import Instances
from infra.cloud.names import MACHINE_ARN
from infra.paths import IMAGES, ROOT
from tests.infra.cloud.steps import attempts, wait_until

PLAN = {"job": "plan", "run": "r"}


class Backlogs:
    """A cloud of two instances whose function is that of `steps`, and clients of it."""

    def __init__(self, cloud, folder):
        self.cloud, self.folder = cloud, folder
        self.lambdas, self.workflows = boto3.client("lambda"), boto3.client("stepfunctions")

    def plan(self, *acts):
        """Writes a list of shards that do `acts`, each the name of one."""
        shards = [{"job": "shard", "number": number, "do": act} for number, act in enumerate(acts)]
        self.cloud.s3.put_object(Bucket=self.cloud.output_bucket, Key="shards.json", Body=json.dumps(shards).encode())

    def start(self, name="r", asked=PLAN):
        return self.workflows.start_execution(stateMachineArn=MACHINE_ARN, name=name, input=json.dumps(asked))["executionArn"]

    def finish(self, execution):
        """Waits until an execution has ended, and returns what is told of it."""
        wait_until(lambda: self.workflows.describe_execution(executionArn=execution)["status"] != "RUNNING")
        return self.workflows.describe_execution(executionArn=execution)

    def map_run(self, execution):
        """The latest map run of an execution: its status, and the counts of items that are not 0."""
        runs = self.workflows.list_map_runs(executionArn=execution)["mapRuns"]
        if not runs:
            return None
        told = self.workflows.describe_map_run(mapRunArn=runs[-1]["mapRunArn"])
        return told["status"], {name: count for name, count in told["itemCounts"].items() if count and name != "resultsWritten"}

    def invoke(self, event, **rest):
        return self.lambdas.invoke(FunctionName="coatcheck", Payload=json.dumps(event).encode(), **rest)


@pytest.fixture
def backlogs(environment, botocore_data, monkeypatch, tmp_path):
    monkeypatch.setenv("FOLDER", str(tmp_path))
    with start_cloud(instances=2, handler="tests.infra.cloud.steps.answer") as cloud:
        for name, value in cloud.environment.items():
            monkeypatch.setenv(name, value)
        yield Backlogs(cloud, tmp_path)


def test_a_run_of_nothing_is_summarised_without_a_map(backlogs):
    execution = backlogs.start(asked=PLAN | {"shards": 0})

    assert json.loads(backlogs.finish(execution)["output"]) == {"run": "r", "attempts": {}}
    assert backlogs.workflows.list_map_runs(executionArn=execution)["mapRuns"] == []


def test_a_run_is_planned_scored_by_two_processes_at_once_and_summarised(backlogs):
    backlogs.plan("meet", "meet")
    execution = backlogs.start()
    told = backlogs.finish(execution)

    assert told["status"] == "SUCCEEDED"
    assert json.loads(told["output"]) == {"run": "r", "attempts": {"0": 1, "1": 1}}
    assert backlogs.map_run(execution) == ("SUCCEEDED", {"succeeded": 2, "total": 2})
    assert (backlogs.folder / "0").read_text() != (backlogs.folder / "1").read_text()
    written = backlogs.cloud.s3.list_objects_v2(Bucket=backlogs.cloud.output_bucket, Prefix="results/")["Contents"]
    assert [row["Key"].rpartition("/")[2] for row in written] == ["manifest.json"]


@pytest.mark.parametrize("act", ["fail once", "be killed once"])
def test_a_shard_that_fails_or_whose_process_is_killed_is_scored_again_alone(backlogs, act):
    backlogs.plan("", act, "", "")
    told = backlogs.finish(backlogs.start())

    assert told["status"] == "SUCCEEDED"
    assert json.loads(told["output"])["attempts"] == {"0": 1, "1": 2, "2": 1, "3": 1}


def test_items_that_wait_are_pending_and_a_stop_ends_the_run_at_once_with_them_never_begun(backlogs):
    backlogs.plan("wait", "wait", "", "", "")
    execution = backlogs.start()
    wait_until(lambda: len(attempts(backlogs.folder)) == 2)
    running = backlogs.map_run(execution)
    backlogs.workflows.stop_execution(executionArn=execution)
    stopped = backlogs.workflows.describe_execution(executionArn=execution)
    (backlogs.folder / "go").touch()
    wait_until(lambda: "running" not in backlogs.map_run(execution)[1])

    assert running == ("RUNNING", {"running": 2, "pending": 3, "total": 5})
    assert stopped["status"] == "ABORTED"
    assert backlogs.map_run(execution) == ("ABORTED", {"aborted": 5, "total": 5})
    assert attempts(backlogs.folder) == {"0": 1, "1": 1}
    assert backlogs.workflows.describe_execution(executionArn=execution)["stopDate"] == stopped["stopDate"]


def test_a_stopped_run_that_is_redriven_goes_on_to_its_end_also_while_its_last_invocations_do(backlogs):
    backlogs.plan("wait", "")
    execution = backlogs.start()
    wait_until(lambda: (backlogs.map_run(execution) or ("", {}))[1] == {"running": 1, "succeeded": 1, "total": 2})
    backlogs.workflows.stop_execution(executionArn=execution)
    backlogs.workflows.redrive_execution(executionArn=execution)
    (backlogs.folder / "go").touch()
    told = backlogs.finish(execution)

    assert told["status"] == "SUCCEEDED"
    assert json.loads(told["output"])["attempts"] == {"0": 2, "1": 2}
    with pytest.raises(ClientError, match="ExecutionNotRedrivable"):
        backlogs.workflows.redrive_execution(executionArn=execution)


def test_a_stop_of_a_run_that_has_ended_changes_nothing(backlogs):
    backlogs.plan("")
    execution = backlogs.start()
    before = backlogs.finish(execution)
    backlogs.workflows.stop_execution(executionArn=execution)
    after = backlogs.workflows.describe_execution(executionArn=execution)

    assert (after["status"], after["stopDate"]) == ("SUCCEEDED", before["stopDate"])


def test_a_start_by_the_name_of_a_running_execution_is_that_execution_and_by_any_other_refused(backlogs):
    backlogs.plan("wait")
    execution = backlogs.start()

    assert backlogs.start() == execution
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        backlogs.start(asked=PLAN | {"replace": True})
    (backlogs.folder / "go").touch()
    backlogs.finish(execution)
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        backlogs.start()


def test_the_rows_of_a_run_are_the_documents_of_the_uploads(cloud):
    for number in range(3):
        cloud.s3.upload_file(str(IMAGES / f"coat-{number}.png"), cloud.input_bucket, f"uploads/{number}.png")
    backlogs = Backlogs(cloud, None)
    told = backlogs.finish(backlogs.start())
    EventSource(cloud, lambda_handler).drain()
    listed = cloud.s3.list_objects_v2(Bucket=cloud.output_bucket)["Contents"]
    contents = {row["Key"]: cloud.s3.get_object(Bucket=cloud.output_bucket, Key=row["Key"])["Body"].read() for row in listed}
    (rows,) = [content for key, content in contents.items() if "/shards/" in key]

    assert json.loads(told["output"])["outcomes"]["scored"] == 3
    assert rows.splitlines() == [contents[f"predictions/uploads/{number}.png.json"].rstrip(b"\n") for number in range(3)]


@pytest.mark.parametrize(("shards", "status"), [(20, "SUCCEEDED"), (19, "FAILED")])
def test_a_run_fails_if_more_than_a_twentieth_of_its_shards_fail(backlogs, shards, status):
    backlogs.plan("fail for good", *[""] * (shards - 1))
    execution = backlogs.start()
    told = backlogs.finish(execution)

    assert told["status"] == status
    assert told.get("error") == ("States.ExceedToleratedFailureThreshold" if status == "FAILED" else None)
    assert backlogs.map_run(execution) == (status, {"succeeded": shards - 1, "failed": 1, "total": shards})


def test_the_function_is_invoked_as_lambda_invokes_it(backlogs):
    answered = backlogs.invoke({"job": "shard", "number": 1})
    raised = backlogs.invoke({"job": "shard", "number": 2, "do": "fail once"})
    killed = backlogs.invoke({"job": "shard", "number": 3, "do": "be killed once"})
    left = backlogs.invoke({"job": "shard", "number": 4, "do": "exit"})
    later = backlogs.invoke({"job": "shard", "number": 5}, InvocationType="Event")
    wait_until(lambda: attempts(backlogs.folder).get("5") == 1)
    told, error, signalled, exited = [json.load(reply["Payload"]) for reply in (answered, raised, killed, left)]

    assert (answered["StatusCode"], answered.get("FunctionError"), told["number"]) == (200, None, 1)
    assert 800_000 < told["left_ms"] < 900_000
    assert raised["FunctionError"] == killed["FunctionError"] == left["FunctionError"] == "Unhandled"
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "the first attempt fails")
    assert "in act" in error["stackTrace"][-1]
    assert signalled["errorType"] == exited["errorType"] == "Runtime.ExitError"
    assert signalled["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
    assert exited["errorMessage"].endswith("Error: Runtime exited with error: exit status 3")
    assert later["StatusCode"] == 202


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("other", b"{}", "ResourceNotFoundException"),
        ("coatcheck:other", b"{}", "ResourceNotFoundException"),
        ("coatcheck", b"{", "InvalidRequestContentException"),
        ("coatcheck", b'"' + b"x" * 6 * 1024 * 1024 + b'"', "RequestTooLargeException"),
    ],
)
def test_an_invocation_that_lambda_would_refuse_is_refused(backlogs, name, content, error):
    with pytest.raises(ClientError, match=error):
        backlogs.lambdas.invoke(FunctionName=name, Payload=content)


def test_the_stack_tells_the_function_and_the_state_machine_as_the_template_does(backlogs):
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName="coatcheck")["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    assert outputs["BacklogArn"] == MACHINE_ARN
    assert outputs["InputUri"] == f"s3://{backlogs.cloud.input_bucket}/uploads/"
    assert outputs["OutputUri"] == backlogs.cloud.environment["OUTPUT_URI"]
    assert outputs["QueueUrl"] == backlogs.cloud.queue_url
    for name in (outputs["FunctionName"], outputs["FunctionArn"]):
        assert backlogs.lambdas.get_function_configuration(FunctionName=name)["MemorySize"] == 1769


def test_an_invocation_beyond_its_time_is_ended_and_the_next_one_gets_another_process(environment, monkeypatch, tmp_path):
    monkeypatch.setenv("FOLDER", str(tmp_path))
    instances = Instances({}, handler="tests.infra.cloud.steps.answer", timeout_s=3)
    late = instances.invoke(b'{"job": "shard", "number": 1, "do": "wait"}')
    (tmp_path / "go").touch()
    instances.timeout_s = 60
    next_one = instances.invoke(b'{"job": "shard", "number": 2, "do": "wait"}')
    instances.close()
    last = instances.invoke(b'{"job": "shard", "number": 3}')

    assert json.loads(late.payload)["errorType"] == "Sandbox.Timedout"
    assert json.loads(late.payload)["errorMessage"].endswith("Error: Task timed out after 3.00 seconds")
    assert (next_one.is_error, json.loads(next_one.payload)["number"]) == (False, 2)
    assert json.loads(last.payload)["errorType"] == "Runtime.ExitError"


def test_a_function_that_cannot_be_imported_is_an_error_of_each_invocation():
    instances = Instances({}, handler="nosuch.answer")
    replies = [instances.invoke(b"{}") for _ in range(2)]
    instances.close()

    assert [json.loads(reply.payload)["errorType"] for reply in replies] == ["ModuleNotFoundError"] * 2


def test_a_cloud_without_backlogs_imports_no_interpreter_and_starts_no_process():
    program = """
import multiprocessing, sys
from infra.cloud.embedded import clear_aws_environment, start_cloud
clear_aws_environment()
with start_cloud() as cloud:
    cloud.sqs.purge_queue(QueueUrl=cloud.queue_url)
    print("infra.cloud.interpreter" in sys.modules, multiprocessing.active_children())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)

    assert done.stdout == "False []\n"


def test_the_guide_of_a_cloud_tells_how_a_backlog_is_started_and_dead_letters_are_sent_back(cloud):
    assert f"    coatcheck backlog s3://{cloud.input_bucket}/uploads/\n" in uploads(cloud)
    assert "    coatcheck redrive --dry-run\n" in uploads(cloud)
