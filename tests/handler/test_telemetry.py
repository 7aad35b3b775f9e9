"""Log lines and metrics as CloudWatch reads them."""

import io
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from handler.errors import EmptyObject, OutOfTime, StorageUnavailable
from handler.jobs import Sweep, SweepReport
from handler.objects import ObjectRef
from handler.outcomes import Outcome, Report
from handler.telemetry import MAX_CLASSES, MAX_LATE, MAX_SHARED, Journal, Stopwatch, log_sweep, logged_as, logger, write_metrics
from infra.cloud.event_source import Context

A, B = ObjectRef("in", "a"), ObjectRef("in", "b")
SCORED = Report(A, Outcome.SCORED, images=3, size_bytes=100, unsure=1, unfamiliar=2, by_class={"Coat": 2, "Bag": 1})


@pytest.fixture
def written(capsys):
    """Writes the metrics of some reports, and returns the lines as they are read: values with their units and dimensions."""

    def written(*reports, model_s=0.0, is_cold_start=False):
        write_metrics(Journal(list(reports), model_s), is_cold_start=is_cold_start, function_name="f", request_id="request-1")
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return written


def values(line):
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Coatcheck"
    return {metric["Name"]: line[metric["Name"]][0] for metric in directive["Metrics"]}


def test_an_invocation_is_one_line_of_metrics_and_one_for_each_class(written):
    first, *classes = written(SCORED, Report(B, Outcome.FAILED), model_s=0.0123, is_cold_start=True)

    assert values(first) == {
        "ObjectsScored": 1,
        "ObjectsDuplicate": 0,
        "ObjectsSuperseded": 0,
        "ObjectsGone": 0,
        "ObjectsRejected": 0,
        "ObjectsFailed": 1,
        "ObjectsPostponed": 0,
        "Images": 3,
        "Bytes": 100,
        "ModelTime": 12.3,
        "ColdStart": 1,
        "UnsureImages": 1,
        "UnsureShare": pytest.approx(33.333),
        "UnfamiliarImages": 2,
        "UnfamiliarShare": pytest.approx(66.667),
    }
    assert [(line["class_name"], values(line)) for line in classes] == [
        ("Coat", {"Predictions": 2}),
        ("Bag", {"Predictions": 1}),
    ]
    assert first["function_request_id"] == "request-1"
    for line in (first, *classes):
        assert (line["service"], line["function_name"]) == ("coatcheck", "f")


def test_the_units_are_those_of_the_names(written):
    (directive,) = written(SCORED)[0]["_aws"]["CloudWatchMetrics"]

    units = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    assert (units["Bytes"], units["ModelTime"], units["UnsureShare"], units["Images"]) == (
        "Bytes",
        "Milliseconds",
        "Percent",
        "Count",
    )


def test_a_redelivery_counts_no_image_twice(written):
    (line,) = written(Report(A, Outcome.DUPLICATE, images=3, size_bytes=100, by_class={"Coat": 3}))

    assert (values(line)["Images"], values(line)["Bytes"], values(line)["ObjectsDuplicate"]) == (0, 0, 1)


def test_without_images_there_is_no_share(written):
    (line,) = written()

    assert "UnsureShare" not in values(line)
    assert values(line)["Images"] == 0


@pytest.mark.parametrize(
    ("class_name", "dimension"), [("Schürze", r"Sch\xfcrze"), ("a\nb", r"a\nb"), (" ", "?"), ("x" * 2400, "x" * 250)]
)
def test_any_class_is_a_dimension_that_cloudwatch_takes(written, class_name, dimension):
    _, line = written(Report(A, Outcome.SCORED, images=1, by_class={class_name: 1}))

    assert line["class_name"] == dimension


def test_many_classes_do_not_become_as_many_metrics(written):
    lines = written(Report(A, Outcome.SCORED, images=500, by_class={f"class {number}": number for number in range(1, 301)}))

    assert len(lines) == 1 + MAX_CLASSES
    assert lines[1]["class_name"] == "class 300"


def test_objects_of_one_outcome_and_bucket_share_a_line_with_their_keys_and_counts(logged):
    journal = Journal()
    reports = [SCORED, Report(B, Outcome.SCORED, images=1, size_bytes=50), Report(ObjectRef("other", "a"), Outcome.SCORED)]

    for report in [*reports, Report(A, Outcome.GONE)]:
        journal.record(report.ref, report)
    assert logged() == []
    journal.write()
    journal.write()

    lines = {(line["outcome"], line["bucket"]): line for line in logged()}
    assert {key: line["objects"] for key, line in lines.items()} == {
        ("scored", "in"): [["a", 3, 1, 2, 100], ["b", 1, 0, 0, 50]],
        ("scored", "other"): [["a", 0, 0, 0, 0]],
        ("gone", "in"): [["a", 0, 0, 0, 0]],
    }
    assert len(logged()) == 3
    for line in lines.values():
        assert (line["message"], line["columns"]) == ("objects", ["key", "images", "unsure", "unfamiliar", "bytes"])
    assert len(journal.reports) == 4


@pytest.mark.parametrize(
    ("named", "report"),
    [
        (A, Report(A, Outcome.FAILED, error=OutOfTime("late"))),
        (A, Report(A, Outcome.REJECTED, error=EmptyObject("empty"))),
        (A, Report(A, Outcome.POSTPONED)),
        (ObjectRef("in", "%61"), Report(A, Outcome.SCORED, images=1)),
    ],
)
def test_an_object_that_has_more_to_tell_has_a_line_of_its_own_at_once(logged, named, report):
    Journal().record(named, report)

    (line,) = logged()
    assert (line["message"], line["object"], line["outcome"]) == ("object", "s3://in/a", report.outcome)
    assert line.get("error") == (type(report.error).__name__ if report.error else None)
    assert line.get("named") == (str(named) if named != A else None)


@pytest.mark.parametrize(
    ("outcome", "error", "told"),
    [
        (Outcome.FAILED, OutOfTime("late"), {"level": "ERROR", "error": "OutOfTime", "reason": "late"}),
        (Outcome.POSTPONED, None, {"level": "INFO"}),
    ],
)
def test_of_many_objects_for_which_there_was_no_time_most_share_lines(logged, outcome, error, told):
    """A line of its own for each of tens of thousands would take longer than there is time left for the answer."""
    journal = Journal()
    for number in range(MAX_LATE + 2 * MAX_SHARED):
        journal.record(ObjectRef("in", f"{number}"), Report(ObjectRef("in", f"{number}"), outcome, error=error))
    journal.record(B, Report(B, Outcome.FAILED, error=StorageUnavailable("down")))

    lines = logged()
    assert [line["message"] for line in lines] == ["object"] * MAX_LATE + ["objects"] * 2 + ["object"]
    for line in lines[MAX_LATE:-1]:
        assert {name: line.get(name) for name in told} == told
        assert (line["outcome"], len(line["objects"])) == (outcome.value, MAX_SHARED)


def test_the_line_of_an_object_has_these_fields(logged):
    document = ObjectRef("out", "a.json")
    counts = {"images": 3, "unsure": 2, "unfamiliar": 1, "size_bytes": 100}
    report = Report(A, Outcome.REJECTED, **counts, document=document, error=EmptyObject("nothing in it"))

    Journal().record(ObjectRef("in", "%61"), report)

    (line,) = logged()
    assert {name: line[name] for name in line if name not in {"level", "timestamp", "location", "service"}} == {
        "message": "object",
        "object": "s3://in/a",
        "outcome": "rejected",
        "images": 3,
        "unsure": 2,
        "unfamiliar": 1,
        "bytes": 100,
        "document": "s3://out/a.json",
        "named": "s3://in/%61",
        "error": "EmptyObject",
        "reason": "nothing in it",
    }


def test_a_line_that_many_objects_share_stays_below_the_size_of_an_event_of_a_log(logged):
    journal = Journal()
    keys = [f"{number:04}" + "\x01" * 1020 for number in range(MAX_SHARED + 1)]

    for key in keys:
        journal.record(ObjectRef("in", key), Report(ObjectRef("in", key), Outcome.SCORED))

    (line,) = logged()
    assert [row[0] for row in line["objects"]] == keys[:-1]
    assert len(json.dumps(line)) < 2**18


def test_the_log_of_an_event_of_25_scored_objects_has_less_than_6_000_bytes(capsys, monkeypatch):
    """With names as long as they are in a deployed stack, and every class predicted."""
    stream, name = io.StringIO(), "coatcheck-ScoringFunction-1A2B3C4D5E6F"
    monkeypatch.setattr(logger.registered_handler, "stream", stream)
    context = Context("52fdfc07-2182-454f-963f-5f0f9a621d72", function_name=name)
    refs = [ObjectRef("coatcheck-inputs-123456789012", f"uploads/{number:04}.png") for number in range(25)]

    with logged_as(context, is_cold_start=False):
        logger.thread_safe_append_keys(trigger="SQS")
        journal = Journal()
        for number, ref in enumerate(refs):
            by_class = {f"class name {number % 10}": 1}
            journal.record(ref, Report(ref, Outcome.SCORED, images=1, size_bytes=544, by_class=by_class))
        journal.write()
        write_metrics(journal, is_cold_start=False, function_name=name, request_id=context.aws_request_id)

    lines = stream.getvalue() + capsys.readouterr().out
    assert len(lines.splitlines()) == 1 + 1 + 10
    assert len(lines) < 6_000


def test_no_other_line_comes_between_a_line_of_metrics_and_its_end(monkeypatch):
    may_write = []

    class Stream(io.StringIO):
        def write(self, text):
            may_write.append(other.submit(can_write).result())
            return super().write(text)

    def can_write():
        lock = logger.registered_handler.lock
        can = lock.acquire(blocking=False)
        if can:
            lock.release()
        return can

    with ThreadPoolExecutor(1) as other:
        monkeypatch.setattr("sys.stdout", Stream())
        write_metrics(Journal([SCORED]), is_cold_start=False, function_name="f", request_id="r")

    assert len(may_write) > 1
    assert set(may_write) == {False}


def test_the_stopwatch_adds_up_and_begins_anew():
    stopwatch = Stopwatch(lambda images: images + 1)

    assert stopwatch(np.zeros(2)).tolist() == [1, 1]
    first = stopwatch.take_s()
    assert first > 0
    assert stopwatch.take_s() == 0


def test_the_stopwatch_keeps_the_time_of_each_thread_apart():
    stopwatch = Stopwatch(lambda images: images)
    stopwatch(np.zeros(1))

    with ThreadPoolExecutor(1) as other:
        assert other.submit(stopwatch.take_s).result() == 0
    assert stopwatch.take_s() > 0


def test_the_stopwatch_passes_on_what_goes_wrong():
    stopwatch = Stopwatch(lambda images: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        stopwatch(np.zeros(1))
    assert stopwatch.take_s() > 0


def test_a_sweep_that_stopped_is_a_warning_that_says_why(logged):
    log_sweep(SweepReport(Sweep(rescore=True), examined=5, stopped="because", outcomes={"scored": 2}))

    (line,) = logged()
    assert (line["level"], line["message"], line["sweep"]) == ("WARNING", "sweep", {"job": "sweep", "rescore": True})
    assert (line["examined"], line["stopped"], line["outcomes"]) == (5, "because", {"scored": 2})
