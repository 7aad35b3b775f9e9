"""Which run a command means, what a run was asked for, and what the function answers."""

import gzip
import io
import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from botocore.response import StreamingBody

from handler.backlog.runs import Order, Plan, Sampled, Totals
from handler.deadline import Deadline
from handler.objects import Prefix
from infra.backlog.asked import FILE_ENTRIES, Listed, examine, write_asked
from infra.backlog.deployed import Stale, find_deployed, invoke
from infra.backlog.entries import Entry
from infra.backlog.estimating import Estimate, estimate
from infra.backlog.naming import default_name, numbered, parse_name, require_name
from infra.backlog.planning import Planned, Sample, Sofar, event_of, find_plan, plan, require_same
from infra.backlog.preparing import prepare
from infra.backlog.sources import Sources
from infra.doctor.asking import Cloud
from infra.errors import InfraError, WrongUse
from infra.paths import TEMPLATE
from infra.template import read_template
from tests.infra.backlog.test_executions import BEGAN, ENDED, Steps

NOW = datetime(2026, 11, 29, 22, tzinfo=UTC)
ORDER = Order(prefix="s3://shop/photos/")


@pytest.fixture
def planned(runs):
    """Plans a run, with a number of objects, at a time."""

    def planned(run, *, objects=3, at=NOW, order=ORDER):
        made = Plan(
            run=run,
            order=order,
            planned_at=at.isoformat(),
            attempt="one",
            results="a" * 64,
            totals=Totals(objects=objects),
            shards=1,
            sampled=Sampled(),
        )
        runs.store.place(runs.deployed.places.plan(run), msgspec.json.encode(made))

    return planned


@pytest.fixture
def steps(stub):
    return Steps(stub("stepfunctions"))


def test_the_first_command_has_the_name_itself(runs):
    assert runs.choose("photos", NOW) == "photos"


@pytest.mark.parametrize(("seconds", "name"), [(9, "photos"), (11, "photos-2")])
def test_a_plan_that_nobody_started_is_for_whoever_comes_within_seconds(runs, planned, steps, seconds, name):
    planned("photos")
    steps.describe("photos")

    assert runs.choose("photos", NOW + timedelta(seconds=seconds)) == name


@pytest.mark.parametrize("status", ["RUNNING", "FAILED", "ABORTED", "TIMED_OUT", "PENDING_REDRIVE"])
def test_a_run_that_is_not_finished_is_gone_on_with_however_old(runs, planned, steps, status):
    planned("photos")
    steps.describe("photos", status, began=BEGAN, ended=ENDED)
    steps.describe("photos-2")

    assert runs.choose("photos", NOW + timedelta(days=30)) == "photos"


def test_after_a_finished_run_comes_the_next_one(runs, planned, steps):
    planned("photos")
    steps.describe("photos", "SUCCEEDED")
    steps.describe("photos-2")

    assert runs.choose("photos", NOW) == "photos-2"


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED"])
def test_an_execution_that_was_over_before_the_plan_is_of_a_run_that_was_deleted(runs, steps, status):
    for _ in range(3):
        steps.describe("photos", status, began=BEGAN, ended=ENDED)
        steps.describe("photos-2")

    assert runs.execution_of("photos", (ENDED + timedelta(minutes=1)).isoformat()) is None
    assert runs.execution_of("photos", (ENDED - timedelta(minutes=1)).isoformat()).status == status
    assert runs.execution_of("photos", "").status == status


@pytest.mark.parametrize(("objects", "age"), [(0, timedelta(0)), (3, timedelta(hours=25))])
def test_a_plan_without_objects_or_of_yesterday_is_not_used_any_more(runs, planned, steps, objects, age):
    planned("photos", objects=objects)
    steps.describe("photos")

    assert runs.choose("photos", NOW + age) == "photos-2"


def test_the_latest_of_many_runs_is_found_in_a_few_looks(runs, planned, steps):
    looks = []
    for number in range(1, 101):
        planned(numbered("photos", number))
    runs.store.before = lambda method, _place: looks.append(method)
    steps.describe("photos-100")

    assert runs.choose("photos", NOW) == "photos-100"
    assert looks.count("head") == 14  # 8 to come beyond it, and 6 to come back
    assert looks.count("open") == 1


def test_the_name_is_that_of_the_sources_and_tells_orders_apart():
    names = [
        default_name("shop/photos/2026/", ORDER, ""),
        default_name("shop/photos-2026/", Order(prefix="s3://shop/photos-2026/"), ""),
        default_name("shop/photos/2026/", Order(prefix="s3://shop/photos/", replace=True), ""),
        default_name("list.csv", Order(listed=True), "a"),
        default_name("list.csv", Order(listed=True), "b"),
        default_name("ñ/" * 500, ORDER, ""),
        default_name("x" * 500, ORDER, ""),
    ]

    assert len(set(names)) == len(names)
    assert [name[:-9] for name in names[:4]] == ["shop-photos-2026"] * 3 + ["list-csv"]
    assert [parse_name(name) for name in names] == names
    assert default_name("shop/photos/2026/", ORDER, "") == names[0]


@pytest.mark.parametrize("name", ["", "a/b", "-a", "a b", "a" * 61, "a\n", "ñ", "a:b"])
def test_a_name_that_no_run_can_have_is_refused(name):
    with pytest.raises(WrongUse, match="Expected a --run of up to 60 letters"):
        parse_name(name)


def test_a_scheduled_run_can_be_looked_up_by_its_name():
    require_name("scheduled-2026-11-29T20:00:00Z")

    with pytest.raises(WrongUse, match="`coatcheck backlog show` lists the runs"):
        require_name("../x")


def test_a_plan_for_something_else_is_noticed(runs, planned):
    planned("photos")
    known = find_plan(runs.store, runs.deployed, "photos")
    require_same("photos", known, ORDER)

    with pytest.raises(WrongUse, match="prefix s3://shop/photos/ then and s3://shop/ now, replace False then and True now"):
        require_same("photos", known, Order(prefix="s3://shop/", replace=True))


def test_what_is_no_plan_is_an_error_and_what_is_missing_is_none(runs):
    assert find_plan(runs.store, runs.deployed, "photos") is None
    runs.store.place(runs.deployed.places.plan("photos"), b"{}")

    with pytest.raises(InfraError, match="Expected a plan of this version"):
        find_plan(runs.store, runs.deployed, "photos")


ENTRIES = [Entry("shop", f"photos/{number:06d}.png", number or None) for number in range(FILE_ENTRIES + 2)]


def asked(runs, run="photos"):
    """The lines of each file that the run was asked for."""
    folder = runs.deployed.places.asked(run)
    found = runs.store.list(folder, "", deadline=Deadline.after(60))
    return {one.ref.key: gzip.decompress(runs.store.content(one.ref)).splitlines() for one in found}


def test_lists_are_written_in_files_once_and_again_without_a_change(runs):
    listed = examine(ENTRIES, lambda _: None)
    write_asked(runs.store, runs.deployed.places, "photos", ENTRIES, listed)
    before = asked(runs)
    write_asked(runs.store, runs.deployed.places, "photos", iter(ENTRIES), listed)

    assert listed.objects == len(ENTRIES)
    assert {key: len(lines) for key, lines in before.items()} == {
        "results/_coatcheck/runs/photos/asked/00001.jsonl.gz": FILE_ENTRIES,
        "results/_coatcheck/runs/photos/asked/00002.jsonl.gz": 2,
    }
    assert [tuple(json.loads(line)) for lines in before.values() for line in lines] == [tuple(entry) for entry in ENTRIES]
    assert asked(runs) == before


def test_a_run_that_was_asked_for_other_objects_is_not_changed(runs):
    write_asked(runs.store, runs.deployed.places, "photos", ENTRIES[:3], examine(ENTRIES[:3], lambda _: None))

    with pytest.raises(WrongUse, match=r"Received: others than s3://outbox/.*/00001\.jsonl\.gz tells of; name another --run"):
        write_asked(runs.store, runs.deployed.places, "photos", ENTRIES[:2], examine(ENTRIES[:2], lambda _: None))
    assert [len(lines) for lines in asked(runs).values()] == [3]


def test_no_entries_are_no_list():
    assert examine([], lambda _: None).objects == 0
    assert isinstance(examine([], lambda _: None), Listed)


class Function:
    """What the function answers, call by call."""

    def __init__(self, stubber, arn):
        self.stubber, self.arn = stubber, arn

    def answer(self, answer, event, error=None):
        content = json.dumps(answer).encode() if not isinstance(answer, bytes) else answer
        told = {"StatusCode": 200, "Payload": StreamingBody(io.BytesIO(content), len(content))}
        asked = {"FunctionName": self.arn, "Payload": json.dumps(event).encode()}
        self.stubber.add_response("invoke", told | ({"FunctionError": error} if error else {}), asked)

    def fail(self, kind, message="no", event=None):
        self.answer({"errorType": kind, "errorMessage": message}, event or {"a": 1}, "Unhandled")


@pytest.fixture
def function(stub, deployed):
    return Function(stub("lambda"), deployed.function)


def test_a_plan_is_asked_for_again_and_again_with_the_state_of_the_answer_before(deployed, function):
    event = {"job": "plan", "run": "photos", "prefix": "s3://shop/photos/", "replace": True, "max_seconds": 20}
    told, made = [], {"objects": 7, "bytes": 70, "shards": 1, "rows": "s3://outbox/r/", "left_out": {"done": 2}, "order": {}}
    function.answer({"is_planned": False, "state": {"a": [1]}, "planned": {"objects": 5, "bytes": 50}}, event)
    function.answer(
        {"is_planned": False, "state": {"b": 2}, "planned": {"objects": 6, "bytes": 60}}, event | {"state": {"a": [1]}}
    )
    function.answer({"is_planned": True, "plan": made}, event | {"state": {"b": 2}})
    found = plan(deployed, "photos", Order(prefix="s3://shop/photos/", replace=True), told.append)

    assert found == Planned(objects=7, bytes=70, shards=1, rows="s3://outbox/r/", left_out={"done": 2})
    assert told == [Sofar(5, 50), Sofar(6, 60)]


def test_the_event_of_a_run_has_what_differs_from_the_usual_alone():
    assert event_of("all", Order()) == {"job": "plan", "run": "all"}
    assert event_of("list", Order(listed=True, model="a" * 64)) == {
        "job": "plan",
        "run": "list",
        "listed": True,
        "model": "a" * 64,
    }


class Answer(msgspec.Struct):
    a: int


def test_what_may_pass_is_tried_again(deployed, function, stub):
    pauses = []
    function.fail("StorageUnavailable")
    stub("lambda").add_client_error("invoke", "TooManyRequestsException")
    function.answer({"a": 2}, {"a": 1})

    assert invoke(deployed, {"a": 1}, Answer, pauses.append).a == 2
    assert pauses == [1, 2]


def test_what_does_not_pass_is_told_after_a_while(deployed, function):
    pauses = []
    for _ in range(5):
        function.fail("OutOfTime", "too slow")

    with pytest.raises(InfraError, match="The function failed with OutOfTime: too slow -> try again; the same command goes on"):
        invoke(deployed, {"a": 1}, Answer, pauses.append)
    assert pauses == [1, 2, 4, 8]


@pytest.mark.parametrize(
    ("kind", "error", "told"),
    [
        ("UnacceptedObject", WrongUse, "name a prefix under the stack's InputPrefix"),
        ("UnrecognisedEvent", InfraError, "it knows no backlogs; deploy the stack again, from this version"),
        ("BadArtifact", InfraError, "the function's log tells more"),
        ("Sandbox.Timedout", InfraError, "the function's log tells more"),
    ],
)
def test_what_cannot_pass_is_told_at_once_with_what_to_do(deployed, function, kind, error, told):
    function.fail(kind)

    with pytest.raises(error, match=f"The function failed with {kind}: no -> {told}"):
        invoke(deployed, {"a": 1}, Answer)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a": "x"}', b"\xff"])
def test_an_answer_of_another_version_is_told(deployed, function, content):
    function.answer(content, {"a": 1})

    with pytest.raises(InfraError, match="deploy the stack again, from this version"):
        invoke(deployed, {"a": 1}, Answer)


def test_an_error_without_a_name_is_told_as_it_is(deployed, function):
    function.answer(b"broken", {"a": 1}, "Unhandled")

    with pytest.raises(InfraError, match="The function failed with an error without a name: broken"):
        invoke(deployed, {"a": 1}, Answer)


def test_a_refused_invocation_names_the_permission(deployed, stub):
    stub("lambda").add_client_error("invoke", "AccessDeniedException", "no")

    with pytest.raises(InfraError, match=r"Received: AccessDeniedException, no; allow lambda:InvokeFunction to the identity"):
        invoke(deployed, {"a": 1}, Answer)


OUTPUTS = {"FunctionArn": "f", "BacklogArn": "m", "OutputUri": "s3://outbox/results/"}


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("FunctionArn", "Expected a stack of template.yaml"),
        ("BacklogArn", "without the output BacklogArn; deploy it again with --parameter-overrides Backlogs=on"),
        ("OutputUri", "without the output OutputUri"),
    ],
)
def test_a_stack_that_runs_no_backlogs_is_told_with_the_parameter_to_set(stub, missing, told):
    outputs = [{"OutputKey": name, "OutputValue": value} for name, value in OUTPUTS.items() if name != missing]
    stack = {"StackName": "coatcheck", "CreationTime": NOW, "StackStatus": "CREATE_COMPLETE", "Outputs": outputs}
    stub("cloudformation").add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": "coatcheck"})

    with pytest.raises(WrongUse, match=told):
        find_deployed(Cloud("us-east-1", clients={"cloudformation": stub("cloudformation").client}), "coatcheck")


def made_plan(objects, images_each, size_each):
    weight = objects / 2500 + objects * size_each / 2**30
    return Planned(
        objects=objects,
        bytes=objects * size_each,
        shards=max(1, round(weight)),
        rows="s3://outbox/rows/",
        sampled=Sample(16, 16 * images_each),
    )


def test_a_million_single_images_and_as_many_packed_ones_cost_what_was_promised():
    default = int(read_template(TEMPLATE.read_text())["Parameters"]["BacklogConcurrency"]["Default"])
    single = estimate(made_plan(1_000_000, 1, 800), ORDER, {})
    packed = estimate(made_plan(1_000, 1_000, 784_000), ORDER, {})

    assert (single.images, single.workers, packed.images) == (1_000_000, default, 1_000_000)
    assert single.dollars < 0.60
    assert packed.dollars < 0.05


def test_documents_cost_a_call_each_and_a_client_and_a_concurrency_of_its_own_are_reckoned_with():
    made = made_plan(1_000_000, 1, 800)
    rows, documents = estimate(made, ORDER, {}), estimate(made, Order(documents=True), {})
    faster = estimate(made, ORDER, {"S3Client": "obstore", "BacklogConcurrency": "100"})

    assert 5 < documents.dollars - rows.dollars < 5.2
    assert faster.workers == 100
    assert faster.seconds < rows.seconds / 2


def test_an_empty_plan_costs_nothing():
    assert estimate(Planned(objects=0, bytes=0, shards=0, rows=""), ORDER, {}) == Estimate(0, 1, 0.0, 0.0)


def test_a_run_that_was_planned_for_an_earlier_model_makes_place_for_the_next_one(runs, planned, steps, function):
    base = default_name("photos/", ORDER, "")
    planned(base)
    steps.describe(base, "ABORTED")
    steps.describe(f"{base}-2")
    asked = {"job": "plan", "prefix": "s3://shop/photos/", "max_seconds": 20}
    made = {"objects": 7, "bytes": 70, "shards": 1, "rows": "s3://outbox/r/"}
    function.fail("StaleRun", event={"job": "plan", "run": base} | asked)
    function.answer({"is_planned": True, "plan": made}, {"job": "plan", "run": f"{base}-2"} | asked)
    sources = Sources(Prefix("shop", "photos/"))

    run, found = prepare(runs, sources, ORDER, None, lambda _what, _sofar: None)
    assert (run, found.objects) == (f"{base}-2", 7)

    function.fail("StaleRun", event={"job": "plan", "run": "mine"} | asked)
    with pytest.raises(Stale, match="The function failed with StaleRun: no -> name another --run"):
        prepare(runs, sources, ORDER, "mine", lambda _what, _sofar: None)
