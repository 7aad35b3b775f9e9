"""`coatcheck redrive`: every kind ends with its document, nothing is lost, and a cause that stays makes no circle."""

import json
import signal
import threading
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import boto3
import botocore.client
import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from handler.app import lambda_handler
from infra.__main__ import app
from infra.cloud.event_source import EventSource
from infra.cloud.names import REGION, STACK
from infra.doctor.asking import Cloud
from infra.errors import InfraError, WrongUse
from infra.paths import IMAGES
from infra.redrive import running
from infra.redrive.command import find_places, run
from infra.redrive.places import Places
from infra.redrive.running import Order, redrive
from infra.redrive.telling import groups, lines, to_json
from tests.infra.redrive.letters import (
    IMAGE,
    NOTIFICATION,
    PLAN,
    RECORDS,
    RULE,
    SCHEDULE,
    SWEEP,
    UPLOAD,
    notification,
    postponed,
    put,
    record_of,
)


@pytest.fixture
def sqs(aws):
    return boto3.client("sqs")


@pytest.fixture
def places(sqs):
    """A queue of uploads, and one of dead letters."""
    dead = sqs.create_queue(QueueName="dead", Attributes={"MessageRetentionPeriod": "1209600"})["QueueUrl"]
    queue = sqs.create_queue(QueueName="uploads")["QueueUrl"]
    return Places(Cloud(REGION), dead, queue, wait_s=0)


@pytest.fixture
def calls(monkeypatch):
    """The calls that were `made`; by operation, `refuse` holds errors, `instead` what answers, `after` what changes answers."""
    calls = SimpleNamespace(made=[], refuse={}, instead={}, after={})
    make = botocore.client.BaseClient._make_api_call

    def made(client, operation, arguments):
        calls.made.append(operation)
        if operation in calls.refuse:
            raise ClientError({"Error": {"Code": calls.refuse[operation], "Message": "no"}}, operation)
        if operation in calls.instead:
            return calls.instead[operation](arguments)
        answer = make(client, operation, arguments)
        return calls.after[operation](arguments, answer) if operation in calls.after else answer

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", made)
    return calls


def bodies(sqs, url):
    """The bodies of all messages that can be received, which stay."""
    found = []
    asked = {"QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 600}  # however busy the machine is
    while messages := sqs.receive_message(**asked).get("Messages"):
        found += messages
    for start in range(0, len(found), 10):
        handles = enumerate(message["ReceiptHandle"] for message in found[start : start + 10])
        entries = [{"Id": str(index), "ReceiptHandle": handle, "VisibilityTimeout": 0} for index, handle in handles]
        sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)
    return Counter(message["Body"] for message in found)


def done(places, *, progress=lambda met, waiting: None, **order):
    return redrive(places, Order(**order), progress)


def told(outcome, *, is_trial=False):
    return "\n".join(lines(outcome, is_trial=is_trial))


def put_many(sqs, places, count):
    asked = [json.dumps({"objects": [f"{IMAGE}{number}.png"]}) for number in range(count)]
    for start in range(0, count, 10):
        entries = [{"Id": str(index), "MessageBody": body} for index, body in enumerate(asked[start : start + 10])]
        sqs.send_message_batch(QueueUrl=places.dead_letters, Entries=entries)
    return Counter(asked)


# --- end to end ---------------------------------------------------------------------------------------------------------------

# The images that the letters ask for, by the kind of the letter.
ASKED = {
    "sqs": ["trouser-0.png"],
    "postponed": ["sneaker-0.png"],
    "lambda": ["coat-0.png", "bag-0.png", "dress-0.png", "shirt-0.png", "sandal-0.png"],
    "eventbridge": [UPLOAD["detail"]["object"]["key"].removeprefix("uploads/")],
    "sns": [json.loads(NOTIFICATION["Message"])["Records"][0]["s3"]["object"]["key"].removeprefix("uploads/")],
}
SWEPT = "ankle-boot-0.png"


def broken(event, context):
    raise RuntimeError("the function is broken")


def test_an_object_of_every_kind_of_dead_letter_ends_with_its_document(cloud):
    content = (IMAGES / "trouser-0.png").read_bytes()
    (own,) = ASKED["sqs"]
    cloud.s3.put_object(Bucket=cloud.input_bucket, Key=f"uploads/{own}", Body=content)
    EventSource(cloud, broken, is_impatient=True).drain()  # until SQS itself moves it
    for name in [SWEPT, *(name for names in ASKED.values() for name in names)]:
        cloud.s3.put_object(Bucket=cloud.input_bucket, Key=f"uploads/{name}", Body=content)
    EventSource(cloud, lambda event, context: None).drain()  # so that the letters alone ask for them
    (delayed,) = ASKED["postponed"]
    put(cloud.sqs, cloud.dead_letter_url, postponed(notification(f"uploads/{delayed}")))
    for record in RECORDS:
        put(cloud.sqs, cloud.dead_letter_url, record)
    put(cloud.sqs, cloud.dead_letter_url, UPLOAD, RULE)
    put(cloud.sqs, cloud.dead_letter_url, SWEEP, SCHEDULE)
    put(cloud.sqs, cloud.dead_letter_url, NOTIFICATION)

    shown = CliRunner().invoke(app, ["redrive", "--stack", STACK, "--region", REGION, "--json"])

    assert shown.exit_code == 0, shown.output
    answer = json.loads(shown.stdout)
    assert (answer["sent"], answer["stay"], answer["error"]) == (12, 0, None)
    kinds = Counter(letter["kind"] for letter in answer["letters"])
    assert kinds == {"sqs": 1, "postponed": 1, "lambda": len(RECORDS), "eventbridge": 1, "scheduler": 1, "sns": 1}
    assert bodies(cloud.sqs, cloud.dead_letter_url) == {}

    EventSource(cloud, lambda_handler, cloud.batch_messages).drain()

    listed = cloud.s3.list_objects_v2(Bucket=cloud.output_bucket, Prefix="predictions/uploads/")["Contents"]
    expected = {f"predictions/uploads/{name}.json" for names in ([SWEPT], *ASKED.values()) for name in names}
    assert {row["Key"] for row in listed} >= expected
    assert bodies(cloud.sqs, cloud.dead_letter_url) == {}
    again = CliRunner().invoke(app, ["redrive", "--stack", STACK, "--region", REGION])
    assert (again.exit_code, again.stdout) == (0, "there are no dead letters\n")


def test_what_only_an_invocation_can_carry_goes_to_the_function(places, sqs, calls):
    asked = {"job": "plan", "run": "mine"}
    name = put(sqs, places.dead_letters, record_of(asked))
    there = with_place(places, function="coatcheck:live")
    for code in ("TooManyRequestsException", "AccessDeniedException"):
        calls.refuse["Invoke"] = code
        (fate,) = done(there).fates
        assert (fate.id, fate.is_sent, fate.reason) == (name, False, f"the function did not take it ({code})")
    assert bodies(sqs, places.dead_letters) == {json.dumps(record_of(asked)): 1}

    calls.refuse.clear()
    invoked = []
    calls.instead["Invoke"] = lambda arguments: invoked.append(arguments) or {"ResponseMetadata": {"RequestId": "r"}}
    (fate,) = done(there).fates

    assert (fate.is_sent, fate.reading.way) == (True, "function")
    assert [(it["FunctionName"], it["InvocationType"], json.loads(it["Payload"])) for it in invoked] == [
        ("coatcheck:live", "Event", asked)
    ]
    assert bodies(sqs, places.dead_letters) == bodies(sqs, places.queue) == {}


def test_an_invocation_that_fails_again_while_it_runs_is_not_made_again(places, sqs, calls):
    """Lambda's new record bears the name of the invocation that this made."""
    event = {"job": "plan", "run": "mine"}
    put(sqs, places.dead_letters, record_of(event))
    invoked = []

    def fail(arguments):
        invoked.append(arguments)
        again = record_of(event)
        put(sqs, places.dead_letters, {**again, "requestContext": {**again["requestContext"], "requestId": "r"}})
        return {"ResponseMetadata": {"RequestId": "r"}}

    calls.instead["Invoke"] = fail
    outcome = done(with_place(places, function="coatcheck:live"))

    assert len(invoked) == 1
    assert [fate.is_sent for fate in outcome.fates] in ([True], [True, False])
    assert bodies(sqs, places.dead_letters).total() == 1


def with_place(places, **named):
    return Places(**{name: getattr(places, name) for name in ("cloud", "dead_letters", "queue", "wait_s")}, **named)


def test_the_start_of_a_backlog_goes_to_the_state_machine_once(places, sqs, calls):
    states = boto3.client("stepfunctions")
    machine = states.create_state_machine(
        name="backlog",
        definition='{"StartAt": "a", "States": {"a": {"Type": "Succeed"}}}',
        roleArn=f"arn:aws:iam::{'1' * 12}:role/r",
    )["stateMachineArn"]
    name = put(sqs, places.dead_letters, PLAN, SCHEDULE)
    there = with_place(places, machine=machine)
    calls.refuse["DeleteMessageBatch"] = "InternalFailure"
    assert done(there).error  # it was started, and is among the dead letters still
    calls.refuse.clear()

    (fate,) = done(there).fates

    assert (fate.is_sent, fate.reading.way) == (True, "state machine")
    (execution,) = states.list_executions(stateMachineArn=machine)["executions"]
    assert execution["name"] == f"redriven-{name}"
    started = states.describe_execution(executionArn=execution["executionArn"])["input"]
    assert json.loads(started) == {"job": "plan", "run": "scheduled-2026-11-02T10:00:00Z"}
    assert bodies(sqs, places.dead_letters) == {}


def test_a_backlog_that_the_same_letter_started_and_that_is_over_is_not_started_again(places, sqs, calls):
    put(sqs, places.dead_letters, PLAN, SCHEDULE)
    calls.refuse["StartExecution"] = "ExecutionAlreadyExists"
    (fate,) = done(with_place(places, machine="arn:aws:states:us-east-1:123456789012:stateMachine:backlog")).fates

    assert (fate.is_sent, fate.reason) == (True, "")
    assert bodies(sqs, places.dead_letters) == {}


def test_without_a_stack_what_does_not_go_by_the_queue_stays_and_the_stack_is_asked_for(places, sqs):
    put(sqs, places.dead_letters, PLAN, SCHEDULE)
    put(sqs, places.dead_letters, record_of({"job": "plan", "run": "mine"}))
    outcome = done(places)

    assert "only the state machine can take it, which a stack tells: name it with --stack, deployed with Backlogs=on" in told(
        outcome
    )
    assert "only the function can take it, which a stack tells: name it with --stack\n" in told(outcome)
    assert sum(bodies(sqs, places.dead_letters).values()) == 2


# --- what an operator asks for ------------------------------------------------------------------------------------------------


def test_a_trial_says_what_would_be_done_and_changes_nothing(places, sqs, calls):
    put(sqs, places.dead_letters, UPLOAD, RULE)
    put(sqs, places.dead_letters, "poison")
    before = bodies(sqs, places.dead_letters)
    calls.made.clear()
    outcome = done(places, is_trial=True)

    assert set(calls.made) == {"GetQueueAttributes", "ReceiveMessage", "ChangeMessageVisibilityBatch"}
    assert bodies(sqs, places.dead_letters) == before  # visible at once
    assert bodies(sqs, places.queue) == {}
    assert told(outcome, is_trial=True).endswith("1 would be sent back, 1 stay, nothing was changed")
    assert to_json(outcome, is_trial=True)["sent"] == 1


def test_only_what_is_asked_for_goes_and_the_rest_can_be_received_at_once(places, sqs):
    put(sqs, places.dead_letters, UPLOAD, RULE)
    put(sqs, places.dead_letters, SWEEP, SCHEDULE)
    put(sqs, places.dead_letters, record_of(notification("uploads/a.png"), "Sandbox.Timedout"))
    put(sqs, places.dead_letters, notification("uploads/raw/a.png"))
    put(sqs, places.dead_letters, "poison")

    for only in ("eventbridge", "Sandbox.Timedout", "uploads/raw/*"):
        outcome = done(places, only=(only,))
        assert sum(fate.is_sent for fate in outcome.fates) == 1, only
        assert [fate for fate in outcome.fates if fate.reason] == []

    assert sorted(bodies(sqs, places.dead_letters)) == sorted([json.dumps(SWEEP), "poison"])
    *_, hint, summary = told(done(places, only=("nothing",))).splitlines()
    assert hint.startswith("--only names none of them: kinds are scheduler, sqs; errors: AWS.Scheduler.InternalServerError; ")
    assert summary == "0 sent back, 0 stay, 2 not asked for"


def test_no_more_than_the_limit_go(places, sqs):
    asked = put_many(sqs, places, 25)
    outcome = done(places, limit=12)

    assert sum(fate.is_sent for fate in outcome.fates) == 12
    assert bodies(sqs, places.queue).total() == 12
    assert bodies(sqs, places.dead_letters) + bodies(sqs, places.queue) == asked


def test_a_group_has_a_row_and_what_stays_a_line(places, sqs):
    for number in range(3):
        put(sqs, places.dead_letters, {**UPLOAD, "id": str(number)}, RULE)
    name = put(sqs, places.dead_letters, "poison")
    outcome = done(places)

    largest, other = groups(outcome.fates)
    ref = f"{IMAGE}{UPLOAD['detail']['object']['key'].removeprefix('uploads/')}"
    assert (largest.kind, largest.error, largest.to, largest.letters, largest.example) == (
        *("eventbridge", "NO_PERMISSIONS", "upload queue"),
        *(3, ref),
    )
    assert (other.kind, other.to, other.letters) == ("sqs", "stays", 1)
    assert f"stays: {name}, sqs, unreadable: Expected a message in JSON." in told(outcome)
    assert told(outcome).endswith("3 sent back, 1 stay")


def test_the_status_tells_whether_something_stays(places, sqs, capsys):
    put(sqs, places.dead_letters, UPLOAD, RULE)
    assert run(places, Order(), as_json=False) == 0
    put(sqs, places.dead_letters, "poison")
    assert run(places, Order(only=("eventbridge",)), as_json=False) == 0
    assert run(places, Order(), as_json=True) == 1


def test_that_there_are_no_letters_is_said_only_if_it_is_known(places, sqs, calls):
    assert told(done(places)) == "there are no dead letters"

    put(sqs, places.dead_letters, UPLOAD, RULE)
    calls.refuse["ReceiveMessage"] = "ServiceUnavailable"
    assert told(done(places)) == "ended before it met a dead letter"
    calls.refuse.clear()

    sqs.receive_message(QueueUrl=places.dead_letters, VisibilityTimeout=60)  # as a run does that is killed then
    hidden, summary = told(done(places)).splitlines()
    assert hidden.startswith("1 were hidden as this began")
    assert summary == "there are no others"


# --- every letter that waited is met, or it is said that it was not -----------------------------------------------------------


def test_a_run_that_outlasts_the_hiding_of_letters_that_stay_meets_all_others_too(places, sqs, calls, monkeypatch):
    """SQS shows the first 200 again when they were met, and gives these before the rest."""
    monkeypatch.setattr(running, "THREADS", 1)
    put_many(sqs, places, 250)
    handles = []

    def show_again(arguments, answer):
        handles.extend(message["ReceiptHandle"] for message in answer.get("Messages", ()))
        if len(handles) == 200:
            places.show(handles)
        return answer

    calls.after["ReceiveMessage"] = show_again
    outcome = done(places, only=("nothing",))

    assert len(handles) > 250
    assert len(outcome.fates) == 250
    assert (outcome.missed, outcome.is_cut_short) == (0, False)


def test_a_run_to_which_sqs_gives_known_letters_alone_ends_and_says_that_others_are_left(places, sqs, calls, capsys):
    put_many(sqs, places, 40)
    first = []

    def give_the_first(arguments, answer):
        first.append(answer)
        return first[0]

    calls.after["ReceiveMessage"] = give_the_first
    status = run(places, Order(only=("nothing",)), as_json=False)

    assert status == 1
    assert calls.made.count("ReceiveMessage") <= running.MAX_REPEATS * 40 // 10 + 4 * (running.MAX_IDLE + 1)
    *_, missed, summary = capsys.readouterr().out.splitlines()
    assert missed.startswith("about 30 that waited as this began were not met: so many stay that SQS shows no others; mend ")
    assert summary == "0 sent back, 0 stay, 10 not asked for"


def test_a_run_that_sqs_shows_no_more_since_so_many_are_hidden_says_that_others_are_left(places, sqs, calls, monkeypatch):
    monkeypatch.setattr(running, "MOST_HIDDEN", 10)
    monkeypatch.setattr(running, "THREADS", 1)
    put_many(sqs, places, 25)
    given = []

    def give_ten(arguments, answer):
        given.append(answer)
        return answer if len(given) == 1 else {}

    calls.after["ReceiveMessage"] = give_ten
    outcome = done(places, is_trial=True)

    assert (len(outcome.fates), outcome.missed, outcome.is_cut_short) == (10, 15, True)
    assert (to_json(outcome, is_trial=True)["missed"], to_json(outcome, is_trial=True)["cut_short"]) == (15, True)


def test_a_count_of_sqs_that_is_late_is_told_of_and_no_failure(places, sqs, calls, capsys):
    def count_five_more(arguments, answer):
        waiting = int(answer["Attributes"]["ApproximateNumberOfMessages"])
        return answer | {"Attributes": answer["Attributes"] | {"ApproximateNumberOfMessages": str(waiting + 5)}}

    calls.after["GetQueueAttributes"] = count_five_more
    assert run(places, Order(), as_json=False) == 0
    missed, summary = capsys.readouterr().out.splitlines()
    assert missed.startswith("about 5 that waited as this began were not met: something else received or deleted them, or ")
    assert summary == "no dead letter was met"

    put_many(sqs, places, 12)
    assert done(places, limit=1).missed == 0  # it was to stop
    assert run(places, Order(), as_json=False) == 0
    assert "about 5 that waited" in capsys.readouterr().out


def test_letters_that_are_soon_deleted_are_told_of(places, sqs):
    sqs.set_queue_attributes(QueueUrl=places.dead_letters, Attributes={"MessageRetentionPeriod": "7230"})
    put(sqs, places.dead_letters, "poison")

    assert "SQS deletes 1 of those that are still there soon, the first in 2 h" in told(done(places))


HOSTILE = '{"objects": ["s3://in/\u202e\u2028\u0085\ufeffgnp.a"]} \t\r\n' + "\u202e" * 80_000  # 256 KiB


def test_a_hostile_letter_is_shown_safely_and_stays_byte_for_byte(places, sqs):
    put(sqs, places.dead_letters, HOSTILE, RULE | {"ERROR_CODE": "\u202e\nforged"})
    put(sqs, places.dead_letters, record_of({"objects": [f"{IMAGE}\u001b[2J\n\u202e"]}, "\u001b[2J"))
    outcome = done(places)
    shown = told(outcome).splitlines()

    assert all(line.isprintable() for line in shown)
    assert max(map(len, shown)) < 2000
    assert bodies(sqs, places.dead_letters) == {HOSTILE: 1}
    assert sum(fate.is_sent for fate in outcome.fates) == 1


# --- nothing is lost ----------------------------------------------------------------------------------------------------------


def test_what_could_not_be_deleted_is_sent_again_by_the_next_run(places, sqs, calls):
    """As after a crash between the two: twice is harmless, and none is lost."""
    asked = put_many(sqs, places, 3)
    calls.refuse["DeleteMessageBatch"] = "AccessDenied"
    outcome = done(places)

    assert "allow DeleteMessage to" in str(outcome.error)
    assert bodies(sqs, places.dead_letters) == asked
    calls.refuse.clear()
    assert done(places).error is None
    assert bodies(sqs, places.dead_letters) == {}
    assert set(bodies(sqs, places.queue)) == set(asked)


def test_what_may_not_be_sent_stays_and_the_error_says_what_to_do(places, sqs, calls):
    asked = put_many(sqs, places, 40)
    calls.made.clear()
    calls.refuse["SendMessageBatch"] = "AccessDenied"

    with pytest.raises(InfraError, match=r"send to .*uploads. Received: AccessDenied, no; allow SendMessage to"):
        run(places, Order(), as_json=False)

    assert "DeleteMessageBatch" not in calls.made
    assert calls.made.count("SendMessageBatch") <= 4  # one for each thread
    assert bodies(sqs, places.dead_letters) == asked


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (["--queue", "dead", "--to", "dead"], "Received: dead for both"),
        (["--queue", "dead"], "Received: --queue; give both addresses"),
        (["--stack", "s", "--queue", "dead", "--to", "up"], "Received: --stack and --queue and --to; give"),
        (["--queue", "dead", "--to", "up", "--only", "sqs", "--only", ""], "--only. Received: an empty text"),
    ],
)
def test_wrong_use_is_refused_before_any_call(calls, wrong, expected):
    done = CliRunner().invoke(app, ["redrive", *wrong])

    assert isinstance(done.exception, WrongUse)
    assert expected in str(done.exception)
    assert calls.made == []


def test_an_upload_queue_is_not_emptied_if_the_two_addresses_are_exchanged(places, sqs, calls):
    arn = sqs.get_queue_attributes(QueueUrl=places.dead_letters, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 8})
    sqs.set_queue_attributes(QueueUrl=places.queue, Attributes={"RedrivePolicy": policy})
    calls.made.clear()

    with pytest.raises(WrongUse, match=r"whose own dead letters go to .*dead; exchange the two"):
        done(replace(places, dead_letters=places.queue, queue=places.dead_letters))
    assert calls.made == ["GetQueueAttributes"]


def test_a_queue_that_is_not_there_is_no_reason_to_try_again(places, sqs):
    with pytest.raises(InfraError, match=r"NonExistentQueue, .*[^.]; check its name, the region and the account\.$"):
        run(find_places(None, REGION, f"{places.dead_letters}x", places.queue), Order(), as_json=False)


def test_a_message_that_the_queue_does_not_take_stays_and_its_neighbours_go(places, sqs, calls):
    asked = put_many(sqs, places, 3)

    def takes_all_but_one(arguments, answer):
        refused = [entry["Id"] for entry in arguments["Entries"] if "/1.png" in entry["MessageBody"]]
        taken = [entry for entry in answer["Successful"] if entry["Id"] not in refused]
        return {**answer, "Successful": taken, "Failed": [{"Id": name, "Code": "InternalError"} for name in refused]}

    calls.after["SendMessageBatch"] = takes_all_but_one
    outcome = done(places)

    assert [fate.reason for fate in outcome.fates if not fate.is_sent] == ["the upload queue did not take it (InternalError)"]
    assert list(bodies(sqs, places.dead_letters)) == [body for body in asked if "/1.png" in body]


def test_a_letter_that_the_queue_is_too_small_for_does_not_keep_its_neighbours(places, sqs):
    sqs.set_queue_attributes(QueueUrl=places.queue, Attributes={"MaximumMessageSize": "1024"})
    asked = put_many(sqs, places, 3)
    large = json.dumps({"objects": [f"{IMAGE}{number}.png" for number in range(100)]})
    put(sqs, places.dead_letters, large)
    outcome = done(places)

    assert bodies(sqs, places.dead_letters) == {large: 1}
    assert bodies(sqs, places.queue) == asked
    (reason,) = [fate.reason for fate in outcome.fates if fate.reason]
    assert reason.startswith("the upload queue did not take it (")


def test_an_interrupt_at_any_moment_loses_nothing_and_says_what_was_done(places, sqs):
    asked = put_many(sqs, places, 50)
    is_first = threading.Lock()

    def interrupt(met, waiting):
        if is_first.acquire(blocking=False):
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have what they start behind them ignore it
    try:
        outcome = done(places, progress=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)

    assert outcome.is_interrupted
    assert "interrupted; run it again for the rest" in told(outcome)
    assert bodies(sqs, places.dead_letters) + bodies(sqs, places.queue) == asked
    assert sum(fate.is_sent for fate in outcome.fates) == bodies(sqs, places.queue).total()


def test_what_comes_back_while_it_runs_is_sent_once(places, sqs, calls):
    """The upload queue here gives each message up as soon as it has it, as it does if the cause was not mended."""
    arn = sqs.get_queue_attributes(QueueUrl=places.dead_letters, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    sqs.set_queue_attributes(QueueUrl=places.queue, Attributes={"RedrivePolicy": policy})
    asked = put_many(sqs, places, 20)
    sent, one_by_one = [], threading.Lock()

    def bounce(arguments, answer):
        with one_by_one:
            sent.extend(entry["MessageBody"] for entry in arguments["Entries"])
            assert len(sent) <= len(asked)  # or else it would never end
            while sqs.receive_message(QueueUrl=places.queue, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages"):
                pass  # the second delivery of a message is none: it is moved
        return answer

    calls.after["SendMessageBatch"] = bounce
    outcome = done(places)

    assert Counter(sent) == asked
    assert "while this ran" in told(outcome)
    assert bodies(sqs, places.dead_letters) == asked


def test_a_letter_that_is_delivered_twice_is_sent_once(places, sqs, calls):
    """SQS may deliver a message again before its time; the second delivery must not delete it before it was sent."""
    asked = put_many(sqs, places, 20)
    shown = deliver_twice(sqs, calls)
    outcome = done(places)
    calls.after.clear()

    assert shown
    assert len(outcome.fates) == 20
    assert bodies(sqs, places.queue) == asked
    assert bodies(sqs, places.dead_letters) == {}


def test_a_letter_that_is_delivered_twice_and_cannot_be_sent_is_not_deleted(places, sqs, calls):
    asked = put_many(sqs, places, 20)
    shown = deliver_twice(sqs, calls)
    calls.refuse["SendMessageBatch"] = "ServiceUnavailable"
    outcome = done(places)
    calls.after.clear()

    assert shown
    assert {fate.reason for fate in outcome.fates} == {"the upload queue did not take it (ServiceUnavailable)"}
    assert bodies(sqs, places.dead_letters) == asked


def test_a_letter_that_is_delivered_twice_is_shown_by_its_last_handle_too(places, sqs, calls):
    """SQS heeds the last one, but two threads may note the two deliveries in the other order."""
    put_many(sqs, places, 1)
    earlier, shown = [], []

    def deliver_the_later_first(arguments, answer):
        if messages := answer.get("Messages"):
            earlier.extend(messages)
            return {"Messages": [messages[0] | {"ReceiptHandle": "later"}]}
        return {"Messages": [earlier.pop()]} if earlier else answer

    def note(arguments, answer):
        shown.extend(entry["ReceiptHandle"] for entry in arguments["Entries"])
        return answer

    calls.after.update(ReceiveMessage=deliver_the_later_first, ChangeMessageVisibilityBatch=note)
    calls.refuse["SendMessageBatch"] = "ServiceUnavailable"
    done(places)

    assert not earlier
    assert "later" in shown


def test_a_letter_that_is_delivered_twice_is_deleted_by_its_last_handle_too(places, sqs, calls):
    """Here the later delivery is noted first, and the earlier one while the letter is sent."""
    put_many(sqs, places, 1)
    earlier, took_it, deleted = [], [], []
    sending, noted, lock = threading.Event(), threading.Event(), threading.Lock()

    def deliver_the_later_first(arguments, answer):
        if messages := answer.get("Messages"):
            earlier.extend(messages)
            return {"Messages": [messages[0] | {"ReceiptHandle": "later"}]}
        sending.wait(10)
        with lock:
            if threading.get_ident() in took_it:  # and asks for more
                noted.set()
            elif earlier:
                took_it.append(threading.get_ident())
                return {"Messages": [earlier.pop()]}
        return answer

    def wait_for_the_earlier(arguments, answer):
        sending.set()
        noted.wait(10)
        return answer

    def note(arguments, answer):
        deleted.append({entry["ReceiptHandle"] for entry in arguments["Entries"]})
        return answer

    calls.after |= {
        "ReceiveMessage": deliver_the_later_first,
        "SendMessageBatch": wait_for_the_earlier,
        "DeleteMessageBatch": note,
    }
    done(places)

    assert [len(handles) for handles in deleted] == [2]
    assert "later" in deleted[0]


def deliver_twice(sqs, calls):
    """Has some letters be received again while they are in hand; returns the names of these, as they are received."""
    shown = set()

    def show_again(arguments, answer):
        for message in answer.get("Messages", ())[:2]:
            if message["MessageId"] not in shown:
                shown.add(message["MessageId"])
                handle = {"QueueUrl": arguments["QueueUrl"], "ReceiptHandle": message["ReceiptHandle"]}
                sqs.change_message_visibility(**handle, VisibilityTimeout=0)
        return answer

    calls.after["ReceiveMessage"] = show_again
    return shown
