"""The dashboard: in the template as it is defined, of metrics that exist, within CloudWatch's limits, with the right sums."""

import copy
import json
import math
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handler.contract import MANIFEST_FILE, parse_manifest
from handler.model import BUNDLED_ARTIFACT
from handler.objects import ObjectRef
from handler.outcomes import Outcome, Report
from handler.telemetry import Journal, write_metrics
from infra.cost.command import deployed_load
from infra.cost.prices import load_prices
from infra.cost.routes import QUEUE
from infra.cost.sums import MILLION, make_bill
from infra.cost.times import load_times
from infra.dashboard.definition import class_metrics, make_dashboard
from infra.dashboard.drift import ACT, LOOK, MAX_CLASSES, MIN_PREDICTIONS, training_mix
from infra.dashboard.graphs import DAY_S, PERIOD_S, Expression, Graph, Metric
from infra.dashboard.metric_math import evaluate
from infra.dashboard.picture import series_of
from infra.dashboard.rendering import BEGIN, read_mix, read_stack, render, rewrite
from infra.dashboard.week import DRIFT, HOUR, OUTAGE, make_week
from infra.errors import InfraError, WrongUse
from infra.template import read_template
from tests.intrinsics import Evaluator

ROOT = Path(__file__).parent.parent.parent.parent
TEXT = (ROOT / "template.yaml").read_text()
TEMPLATE = read_template(TEXT)
PAGE = (ROOT / "docs" / "dashboard.md").read_text()
MIX = read_mix(BUNDLED_ARTIFACT)
CLASSES = list(MIX)
STACK = read_stack(TEXT)
DASHBOARD = make_dashboard(STACK, MIX)
GRAPHS = {each.widget.title: each.widget for each in (*DASHBOARD.always, *DASHBOARD.bundled) if isinstance(each.widget, Graph)}
FUNCTION = "coatcheck-ScoringFunction"

# What AWS itself writes, by namespace and the dimension by which the dashboard asks for it. The pages that say so are named in
# `infra/dashboard/definition.py`.
AWS_METRICS = {
    ("AWS/Lambda", "FunctionName"): {"Invocations", "Errors", "Throttles", "Duration"},
    ("AWS/SQS", "QueueName"): {
        "ApproximateAgeOfOldestMessage",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesVisible",
        "NumberOfEmptyReceives",
        "NumberOfMessagesDeleted",
        "NumberOfMessagesReceived",
        "NumberOfMessagesSent",
    },
    ("AWS/Logs", "LogGroupName"): {"IncomingBytes"},
}
PLACES = {
    "FunctionName": {FUNCTION},
    "QueueName": {"UploadQueue.QueueName", "DeadLetterQueue.QueueName"},
    "LogGroupName": {"coatcheck-ScoringLogGroup"},
}


def widgets(**parameters):
    """The widgets of the dashboard, as CloudFormation makes them of the template."""
    evaluator = Evaluator(TEMPLATE, parameters)
    body = evaluator.value(TEMPLATE["Resources"]["ScoringDashboard"]["Properties"]["DashboardBody"])
    return json.loads(body)["widgets"]


BUNDLED, OTHER = widgets(), widgets(ModelUri="s3://models/mine/")


def rendered(mix):
    """The resources that would be written for another mix of classes."""
    return read_template("Resources:\n" + render(STACK, mix))["Resources"]


def used(widget):
    """The metrics of a widget: namespace, name and dimensions."""
    for row in widget["properties"].get("metrics", ()):
        if len(row) > 1:
            namespace, name, *rest, _ = row
            yield namespace, name, tuple(sorted(zip(rest[::2], rest[1::2], strict=True)))


def written(capsys):
    """The metrics that the function writes of an invocation with a prediction of each class: name and dimensions."""
    ref = ObjectRef("photos", "a.png")
    report = Report(ref, Outcome.SCORED, images=len(CLASSES), by_class=dict.fromkeys(CLASSES, 1))
    write_metrics(Journal([report]), is_cold_start=True, function_name=FUNCTION, request_id="r")
    metrics = set()
    for fields in map(json.loads, capsys.readouterr().out.splitlines()):
        (directive,) = fields["_aws"]["CloudWatchMetrics"]
        (names,) = directive["Dimensions"]
        dimensions = tuple(sorted((name, fields[name]) for name in names))
        metrics |= {(directive["Namespace"], metric["Name"], dimensions) for metric in directive["Metrics"]}
    return metrics


def test_the_template_has_the_dashboard_as_it_is_defined():
    assert rewrite(TEXT, render(STACK, MIX)) == TEXT


def test_a_template_without_the_marks_is_refused():
    with pytest.raises(InfraError, match="one without"):
        rewrite(TEXT.replace(BEGIN, ""), "")


def test_a_name_that_looks_like_a_reference_stays_a_name():
    resources = rendered({"${AWS::Region}": 0.5, 'a "b"': 0.5})
    watched = resources["DriftAlarm"]["Properties"]["Metrics"][:2]
    body = resources["ScoringDashboard"]["Properties"]["DashboardBody"]["Fn::Sub"][1]["OfTheModel"]["Fn::If"][2]

    assert [each["MetricStat"]["Metric"]["Dimensions"][0]["Value"] for each in watched] == ["${AWS::Region}", 'a "b"']
    assert '"class_name", "${!AWS::Region}"' in body["Fn::Sub"]


@pytest.mark.parametrize("widget", [*BUNDLED, *OTHER], ids=lambda widget: widget["properties"].get("title", "text"))
def test_each_metric_exists(widget, capsys):
    own = written(capsys)
    for namespace, name, dimensions in used(widget):
        if namespace == "Coatcheck":
            assert (namespace, name, dimensions) in own
        else:
            ((dimension, place),) = dimensions
            assert name in AWS_METRICS[namespace, dimension]
            assert place in PLACES[dimension]


def test_each_metric_of_awss_own_that_is_listed_is_used():
    found = {(namespace, name) for widget in BUNDLED for namespace, name, _ in used(widget)}

    assert {(namespace, name) for (namespace, _), names in AWS_METRICS.items() for name in names} <= found


def test_classes_of_another_model_are_searched_for_as_the_function_writes_them(capsys):
    (graph,) = [each for each in OTHER if each["properties"].get("title") == "Class mix"]
    search = graph["properties"]["metrics"][0][0]["expression"]
    schema, name, function = re.search(r"\{(.*?)\} MetricName=\"(\w+)\" function_name=\"(.*?)\"", search).groups()
    namespace, *dimensions = schema.split(",")
    found = [(where, each, dict(given)) for where, each, given in written(capsys) if each == name]

    assert len(found) == len(CLASSES)
    for where, _, given in found:
        assert (where, set(given), given["function_name"]) == (namespace, set(dimensions), function)


@pytest.mark.parametrize("made", [BUNDLED, OTHER], ids=["bundled model", "another model"])
def test_the_dashboard_can_be_read_and_is_within_cloudwatchs_limits(made):
    """Of 500 metrics for a graph; the first three dashboards are free with 50 metrics each at most."""
    taken = Counter(
        (x, y)
        for widget in made
        for x in range(widget["x"], widget["x"] + widget["width"])
        for y in range(widget["y"], widget["y"] + widget["height"])
    )

    assert set(taken.values()) == {1}
    assert max(x for x, _ in taken) < 24
    assert len({metric for widget in made for metric in used(widget)}) <= 50
    for widget in made:
        shown = widget["properties"]
        if widget["type"] == "text":
            assert shown["markdown"].startswith("##")
            continue
        ids = [row[-1]["id"] for row in shown["metrics"]]
        assert shown["title"]
        assert shown["yAxis"]["left"]["label"]
        assert shown["region"] == "us-east-1"
        assert len(ids) == len(set(ids)) <= 500
        assert all(re.fullmatch("[a-z][a-zA-Z0-9_]*", each) for each in ids)
        assert any(row[-1].get("visible", True) for row in shown["metrics"])


def test_the_dashboard_is_made_unless_it_is_turned_off():
    condition = TEMPLATE["Resources"]["ScoringDashboard"]["Condition"]

    assert [Evaluator(TEMPLATE, {"Dashboard": choice}).holds(condition) for choice in ("on", "off")] == [True, False]
    assert TEMPLATE["Outputs"]["DashboardName"]["Condition"] == condition


# Drift


def index(counts, mix=MIX):
    """The index of one day, by the expression of the alarm in the template; None where it has no value."""
    resources = TEMPLATE["Resources"] if mix == MIX else rendered(mix)
    metrics = resources["DriftAlarm"]["Properties"]["Metrics"]
    series = {f"c{number}": np.array([np.nan if count is None else float(count)]) for number, count in enumerate(counts)}
    for metric in metrics:
        if "Expression" in metric:
            series[metric["Id"]] = evaluate(metric["Expression"], series, DAY_S)
    (value,) = series[next(each["Id"] for each in metrics if each["ReturnData"])]
    return None if np.isnan(value) else float(value)


def by_hand(counts, shares):
    added = [(count or 0) + 0.5 for count in counts]
    return sum(
        (one / sum(added) - share) * math.log(one / sum(added) / share) for one, share in zip(added, shares, strict=True)
    )


@pytest.mark.parametrize(
    "counts",
    [
        [1000] * 10,
        [*range(10, 110, 10)],
        [500, *[50] * 9],
        [*[200] * 9, None],  # a class that was not predicted has no value
        [None] * 9 + [1000],
    ],
)
def test_the_index_is_the_sum_that_it_is_said_to_be(counts):
    assert index(counts) == pytest.approx(by_hand(counts, [0.1] * 10), rel=1e-5, abs=1e-12)


def test_the_index_is_of_the_mix_that_it_is_given():
    mix = {"cat": 0.7, "dog": 0.2, "cow": 0.1}

    assert index([50, 30, 20], mix) == pytest.approx(by_hand([50, 30, 20], mix.values()), rel=1e-5)
    assert index([7000, 2000, 1000], mix) == pytest.approx(0, abs=1e-6)


def test_a_day_of_few_images_has_no_index():
    assert index([MIN_PREDICTIONS - 1, *[None] * 9]) is None
    assert index([MIN_PREDICTIONS, *[None] * 9]) > ACT
    assert index([None] * 10) is None


def test_chance_alone_rings_no_alarm():
    """Of a thousand days with as few images as have an index, drawn from the training mix."""
    days = np.random.default_rng(28).multinomial(MIN_PREDICTIONS, list(MIX.values()), 1000)
    rung = sum(by_hand(day, MIX.values()) > ACT for day in days)

    assert rung < 10


def test_the_alarm_sees_what_the_graph_shows():
    alarm = copy.deepcopy(TEMPLATE["Resources"]["DriftAlarm"]["Properties"])
    evaluated = Evaluator(TEMPLATE, {}).value(alarm)
    graph = GRAPHS["Drift of the class mix"]
    drawn = next(widget for widget in BUNDLED if widget["properties"].get("title") == graph.title)["properties"]
    metrics = [each["MetricStat"] for each in evaluated["Metrics"] if "MetricStat" in each]
    watched = {
        (
            each["Metric"]["Namespace"],
            each["Metric"]["MetricName"],
            tuple((d["Name"], d["Value"]) for d in each["Metric"]["Dimensions"]),
        )
        for each in metrics
    }
    expressions = [each["Expression"] for each in evaluated["Metrics"] if "Expression" in each]

    assert watched == set(used({"properties": drawn}))
    assert expressions == [row.text for row in graph.rows if isinstance(row, Expression)]
    assert {(each["Period"], each["Stat"]) for each in metrics} == {(graph.period_s, "Sum")} == {(DAY_S, "Sum")}
    assert len(metrics) <= MAX_CLASSES == 10  # CloudWatch's limit
    assert all(len(text) <= 2048 for text in expressions)
    assert [each["ReturnData"] for each in evaluated["Metrics"]].count(True) == 1
    assert [level.value for level in graph.levels] == [alarm["Threshold"], LOOK] == [ACT, LOOK]


def test_the_training_mix_is_that_of_the_test_images():
    manifest = parse_manifest((BUNDLED_ARTIFACT / MANIFEST_FILE).read_bytes())

    assert training_mix(manifest) == dict.fromkeys(manifest.classes, 0.1)


def test_an_artifact_without_a_mix_is_refused(tmp_path):
    fields = json.loads((BUNDLED_ARTIFACT / MANIFEST_FILE).read_text())
    del fields["metrics_by_class"]
    (tmp_path / MANIFEST_FILE).write_text(json.dumps(fields))

    with pytest.raises(WrongUse, match="Deploy it by ModelUri"):
        read_mix(tmp_path)


# Metric math, by the examples of AWS's guide


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a+b", [50, 20, 20, 0, None]),
        ("a/b", [1.5, None, 0, None, None]),
        ("a*2", [60, 40, 0, 0, None]),
        ("a>=30", [1, 0, 0, 0, None]),
        ("IF(a>=30,a)", [30, None, None, None, None]),
        ("IF(b,a)", [30, None, 0, None, None]),
        ("RUNNING_SUM(b)", [20, None, 40, None, None]),
        ("a/PERIOD(a)", [0.1, 20 / 300, 0, 0, None]),
        ("LOG(b)", [math.log(20), None, math.log(20), None, None]),
    ],
)
def test_a_missing_value_counts_as_zero_beside_another_one_only(expression, expected):
    nan = float("nan")
    series = {"a": np.array([30.0, 20, 0, 0, nan]), "b": np.array([20, nan, 20, nan, nan])}

    np.testing.assert_allclose(evaluate(expression, series, 300), [nan if each is None else each for each in expected])


@pytest.mark.parametrize("expression", ["AVG(a)", "a-1 if a else 2", "PERIOD(a)", "a%2"])
def test_what_is_not_evaluated_here_is_refused(expression):
    with pytest.raises(InfraError, match="Received"):
        evaluate(expression, {"a": np.ones(2)}, 300)


# Cost


def test_the_cost_of_a_million_images_is_that_of_the_table():
    bill = make_bill(QUEUE, deployed_load(MILLION), load_prices(), load_times())
    counts = {line.text: line.count for line in bill.lines}
    graph = next(graph for graph in GRAPHS.values() if graph.title.startswith("Cost"))
    gb = TEMPLATE["Resources"]["ScoringFunction"]["Properties"]["MemorySize"] / 1024
    values = dict.fromkeys((row.name for row in graph.rows if isinstance(row, Metric)), 0.0) | {
        "ObjectsScored": MILLION,
        "Invocations": counts["Lambda invokes the function"],
        "Duration": counts["the function runs, in GB-seconds"] / gb * 1000,
        "NumberOfMessagesSent": counts["a message is sent to the queue"],
        "NumberOfMessagesReceived": 10 * counts["Lambda receives messages"],
        "NumberOfMessagesDeleted": 10 * counts["Lambda deletes messages"],
        "IncomingBytes": counts["CloudWatch takes the log, in GB"] * 1e9,
    }
    series = {}
    for row in graph.rows:
        series[row.id] = np.array([values[row.name]]) if isinstance(row, Metric) else evaluate(row.text, series, PERIOD_S)
    dollars = {row.label: float(series[row.id][0]) for row in graph.rows if not row.hidden}

    assert dollars == pytest.approx(
        {
            "S3 requests": bill.dollars_of("S3 requests"),
            "queue": bill.dollars_of("queue"),
            "Lambda": bill.dollars_of("Lambda"),
            "log": bill.dollars_of("logs"),
        }
    )


# The picture and the page


@pytest.fixture(scope="module")
def week():
    return make_week(CLASSES)


def shown(title, week):
    """The series of a graph that are seen, by label."""
    graph = GRAPHS[title]
    series = series_of(graph, week, graph.period_s)
    return {row.label: series[row.id] for row in graph.rows if not row.hidden}


def test_the_week_has_every_metric_and_shows_what_the_page_tells_of(week):
    (wait,), (letters,) = shown("Longest wait", week).values(), shown("Dead letters", week).values()
    (drift,) = shown("Drift of the class mix", week).values()
    first_day = DRIFT // (24 * HOUR)

    for title in GRAPHS:
        assert all(np.isfinite(values).any() for values in shown(title, week).values())
    assert wait[OUTAGE].max() > GRAPHS["Longest wait"].levels[0].value > np.delete(wait, np.r_[OUTAGE]).max()
    assert letters[OUTAGE].max() == letters.max() > 0 == letters[-1]
    assert (drift[:first_day] < LOOK).all()
    assert (drift[first_day:] > ACT).all()


def test_the_page_tells_of_each_graph_and_shows_the_picture():
    rows = re.findall(r"^\| \*\*(.*?)\*\*, (.*?) \|", PAGE, re.MULTILINE)

    assert rows == [(title, graph.unit) for title, graph in GRAPHS.items()]
    assert "](dashboard.png)" in PAGE
    with Image.open(ROOT / "docs" / "dashboard.png") as picture:
        assert picture.width > 1000


def test_the_page_tells_of_each_alarm():
    alarms = {name for name, part in TEMPLATE["Resources"].items() if part["Type"] == "AWS::CloudWatch::Alarm"}

    assert set(re.findall(r"`(\w+Alarm)`", PAGE)) == alarms
    assert len(class_metrics(MIX)) == len(CLASSES)
