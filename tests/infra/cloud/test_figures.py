"""What a rehearsal gives CloudWatch is what the dashboard and the alarms ask for."""

import pytest

from handler.model import BUNDLED_ARTIFACT
from handler.objects import ObjectRef
from handler.outcomes import Outcome, Report
from handler.telemetry import Journal, write_metrics
from infra.cloud.figures import SOURCES, Figure, of_log, of_queue
from infra.dashboard.definition import make_dashboard
from infra.dashboard.graphs import Metric
from infra.dashboard.rendering import read_mix, read_stack
from infra.paths import TEMPLATE

MIX = read_mix(BUNDLED_ARTIFACT)
DASHBOARD = make_dashboard(read_stack(TEMPLATE.read_text()), MIX)
ASKED = {
    (row.namespace, row.name)
    for placed in (*DASHBOARD.always, *DASHBOARD.bundled)
    for row in getattr(placed.widget, "rows", ())
    if isinstance(row, Metric)
}
WITHOUT = {  # metrics that an emulator keeps no trace of
    ("AWS/Lambda", "Throttles"),
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"),
    *(("AWS/SQS", f"NumberOf{name}") for name in ("MessagesSent", "MessagesReceived", "MessagesDeleted", "EmptyReceives")),
}
REPORT = "REPORT RequestId: 8184d1d5\tDuration: 1250.5 ms\tBilled Duration: 1251 ms\tMemory Size: 1769 MB"


@pytest.fixture
def log(capsys):
    """The lines of a log, of an invocation that scored an image of each class, and of one that failed as a whole."""
    report = Report(ObjectRef("photos", "coats.npy"), Outcome.SCORED, images=len(MIX), by_class=dict.fromkeys(MIX, 1))
    write_metrics(Journal([report], 0.25), is_cold_start=False, function_name="coatcheck", request_id="1")
    return [*capsys.readouterr().out.splitlines(), REPORT, '{"level":"ERROR","message":"invocation_failed"}', "END", "{}"]


def test_the_log_and_the_queues_give_every_metric_of_the_dashboard_but_those_that_nothing_tells(log):
    attributes = {"ApproximateNumberOfMessages": "5", "ApproximateNumberOfMessagesNotVisible": "2"}
    figures = [*of_log(log, "coatcheck", "/aws/lambda/coatcheck"), *of_queue("http://here/1/uploads", attributes)]

    assert {(figure.namespace, figure.name) for figure in figures} & ASKED == ASKED - WITHOUT
    assert {figure.namespace for figure in figures} == SOURCES.keys()


def test_the_metrics_of_the_log_have_the_dimensions_that_the_dashboard_asks_with(log):
    rows = [row for placed in DASHBOARD.bundled for row in getattr(placed.widget, "rows", ()) if isinstance(row, Metric)]
    figures = list(of_log(log, "coatcheck", "group"))

    for row in rows:
        dimensions = {name: value.replace("${ScoringFunction}", "coatcheck") for name, value in row.dimensions}
        assert Figure("Coatcheck", row.name, dimensions, 1.0) in figures


def test_lambdas_own_figures_come_from_its_lines(log):
    def of(name):
        return [one.value for one in of_log(log, "coatcheck", "group") if (one.namespace, one.name) == ("AWS/Lambda", name)]

    assert (of("Invocations"), of("Duration"), sum(of("Errors"))) == ([1], [1250.5], 1)


def test_a_queue_is_named_by_the_end_of_its_address():
    attributes = {"ApproximateNumberOfMessages": "5", "ApproximateNumberOfMessagesNotVisible": "2"}
    waiting, taken = of_queue("http://127.0.0.1:4566/000000000000/dead", attributes)

    assert waiting.as_datum() == {
        "MetricName": "ApproximateNumberOfMessagesVisible",
        "Dimensions": [{"Name": "QueueName", "Value": "dead"}],
        "Value": 5.0,
    }
    assert taken.value == 2
