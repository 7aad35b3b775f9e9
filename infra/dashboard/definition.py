"""Says what the dashboard shows. Pure values; `${…}` in them is what CloudFormation puts there.

Metrics of AWS's own are named as these pages name them:
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch-Logs-Monitoring-CloudWatch-Metrics.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from handler.outcomes import Outcome
from handler.telemetry import NAMESPACE, SERVICE, class_dimension
from infra.cost.prices import Prices
from infra.dashboard.drift import ACT, LOOK, MIN_PREDICTIONS, count_all, index_of
from infra.dashboard.graphs import DAY_S, Expression, Graph, Level, Metric, Placed, Text

PAGE = "docs/dashboard.md"

FUNCTION, LOG_GROUP, UPLOADS, DEAD_LETTERS = "${ScoringFunction}", "${ScoringLogGroup}", "${Uploads}", "${DeadLetters}"

GREEN, BLUE, ORANGE, RED, GREY, PURPLE = "#2ca02c", "#1f77b4", "#ff7f0e", "#d62728", "#7f7f7f", "#9467bd"
_OUTCOMES = {  # in the order in which they are stacked
    Outcome.SCORED: GREEN,
    Outcome.DUPLICATE: "#98df8a",
    Outcome.SUPERSEDED: "#17becf",
    Outcome.GONE: "#c7c7c7",
    Outcome.POSTPONED: BLUE,
    Outcome.REJECTED: ORANGE,
    Outcome.FAILED: RED,
}
_CLASSES = (BLUE, ORANGE, GREEN, RED, PURPLE, "#8c564b", "#e377c2", GREY, "#bcbd22", "#17becf")
_WRITING = (Outcome.SCORED, Outcome.DUPLICATE, Outcome.SUPERSEDED, Outcome.REJECTED)  # each took a GET and a PUT at least
_RECEIVED_AT_ONCE = 10  # messages in one call of SQS, and so in one that is paid for
_COLUMNS, _WIDTH, _HEIGHT, _TEXT_HEIGHT = 3, 8, 6, 3


@dataclass(frozen=True)
class Stack:
    """What the graphs must know of the stack: the function's memory, the alarm's seconds of waiting, and what AWS charges."""

    memory_mb: int
    max_wait_s: int
    prices: Prices


@dataclass(frozen=True)
class Dashboard:
    """The widgets of a dashboard: those of every stack, then those with the bundled model, or those with another one."""

    always: tuple[Placed, ...]
    bundled: tuple[Placed, ...]
    other: tuple[Placed, ...]


def make_dashboard(stack: Stack, mix: Mapping[str, float]) -> Dashboard:
    """Returns the dashboard for a stack whose bundled model was trained on this mix of classes."""
    always = (
        *(_images(), _outcomes(), _failures()),
        *(_waiting(), _age(stack.max_wait_s), _dead_letters()),
        *(_invocation(), _image(), _cost(stack)),
        _marks(),
    )
    start = len(always)
    about = Placed(_about(), 0, 0, _COLUMNS * _WIDTH, _TEXT_HEIGHT)
    return Dashboard(
        always=(about, *(_place(graph, number) for number, graph in enumerate(always))),
        bundled=(_place(_mix(mix), start), _place(_drift(mix), start + 1)),
        other=(_place(_other_mix(), start), _place(_no_drift(), start + 1)),
    )


def class_metrics(mix: Mapping[str, float]) -> tuple[Metric, ...]:
    """Returns the predictions of each class, as metrics for expressions."""
    return tuple(
        own("Predictions", f"c{number}", hidden=True, class_name=class_dimension(name)) for number, name in enumerate(mix)
    )


def own(
    name: str, id_: str, label: str = "", colour: str = "", *, hidden: bool = False, class_name: str | None = None
) -> Metric:
    """Returns the sums of a metric that the function itself writes."""
    of_class = (("class_name", class_name),) if class_name is not None else ()
    dimensions = (*of_class, ("function_name", FUNCTION), ("service", SERVICE))
    return Metric(id_, NAMESPACE, name, dimensions, "Sum", label, colour, hidden)


def _place(widget: Graph | Text, number: int) -> Placed:
    row, column = divmod(number, _COLUMNS)
    return Placed(widget, column * _WIDTH, _TEXT_HEIGHT + row * _HEIGHT, _WIDTH, _HEIGHT)


def _about() -> Text:
    return Text(
        f"## ${{AWS::StackName}}\nWhat each graph shows, what is normal and what to do: `{PAGE}`. "
        "What is wrong, and what to do about it: `coatcheck doctor --stack ${AWS::StackName} --region ${AWS::Region}`. "
        "Dead letters: mend their cause, then `coatcheck redrive --stack ${AWS::StackName} --region ${AWS::Region}`."
    )


def _images() -> Graph:
    per_minute = Expression("rate", "images/PERIOD(images)*60", "scored", BLUE)
    return Graph("Images", "images a minute", (own("Images", "images", hidden=True), per_minute))


def _outcomes() -> Graph:
    rows = tuple(own(f"Objects{it.capitalize()}", it.value, it.value, colour) for it, colour in _OUTCOMES.items())
    return Graph("Outcomes", "objects", rows, is_stacked=True)


def _failures() -> Graph:
    rows = (_lambda("Errors", "errors", "Sum", "errors", RED), _lambda("Throttles", "throttles", "Sum", "throttled", ORANGE))
    return Graph("Failing invocations", "invocations", rows)


def _waiting() -> Graph:
    rows = (
        _queue("ApproximateNumberOfMessagesVisible", "visible", "Maximum", "waiting", BLUE),
        _queue("ApproximateNumberOfMessagesNotVisible", "taken", "Maximum", "in work, or to be tried again", GREY),
    )
    return Graph("Upload queue", "messages", rows)


def _age(max_wait_s: int) -> Graph:
    oldest = _queue("ApproximateAgeOfOldestMessage", "age", "Maximum", hidden=True)
    minutes = Expression("minutes", "age/60", "oldest message", BLUE)
    return Graph("Longest wait", "minutes", (oldest, minutes), (Level(max_wait_s / 60, "alarm", RED),))


def _dead_letters() -> Graph:
    letters = _queue("ApproximateNumberOfMessagesVisible", "letters", "Maximum", "dead letters", RED, queue=DEAD_LETTERS)
    return Graph("Dead letters", "messages", (letters,))


def _invocation() -> Graph:
    rows = (_lambda("Duration", "p50", "p50", hidden=True), _lambda("Duration", "p99", "p99", hidden=True))
    seconds = (Expression("half", "p50/1000", "half take less", BLUE), Expression("most", "p99/1000", "99% take less", ORANGE))
    return Graph("Time of an invocation", "seconds", (*rows, *seconds))


def _image() -> Graph:
    rows = (
        _lambda("Duration", "duration", "Sum", hidden=True),
        own("ModelTime", "model", hidden=True),
        own("Images", "images", hidden=True),
        Expression("all", "duration/images", "function", BLUE),
        Expression("inside", "model/images", "model alone", GREEN),
    )
    return Graph("Time of an image", "milliseconds", rows)


def _cost(stack: Stack) -> Graph:
    prices, gb = stack.prices, stack.memory_mb / 1024
    objects = tuple(own(f"Objects{it.capitalize()}", it.value, hidden=True) for it in _WRITING)
    rows = (
        *objects,
        _lambda("Invocations", "invocations", "Sum", hidden=True),
        _lambda("Duration", "duration", "Sum", hidden=True),
        _queue("NumberOfMessagesSent", "sent", "Sum", hidden=True),
        _queue("NumberOfMessagesReceived", "received", "Sum", hidden=True),
        _queue("NumberOfMessagesDeleted", "deleted", "Sum", hidden=True),
        _queue("NumberOfEmptyReceives", "empty", "Sum", hidden=True),
        Metric("log", "AWS/Logs", "IncomingBytes", (("LogGroupName", LOG_GROUP),), "Sum", hidden=True),
    )
    get, put = prices.s3_get_dollars_per_million, prices.s3_put_dollars_per_million
    called, second = prices.lambda_dollars_per_million / 1e6, prices.lambda_dollars_per_gb_second * gb
    requests, message = _number((get + put) / 1e6), _number(prices.sqs_dollars_per_million / 1e6)
    dollars = (
        ("s3", f"({'+'.join(it.value for it in _WRITING)})*{requests}", "S3 requests", BLUE),
        ("queue", f"(sent+(received+deleted)/{_RECEIVED_AT_ONCE}+empty)*{message}", "queue", GREEN),
        ("lambda", f"invocations*{_number(called)}+duration*{_number(second / 1000)}", "Lambda", ORANGE),
        ("logs", f"log*{_number(prices.logs_dollars_per_gb / 1e9)}", "log", PURPLE),
    )
    sums = tuple(Expression(f"{id_}_dollars", f"RUNNING_SUM({text})", label, colour) for id_, text, label, colour in dollars)
    return Graph("Cost so far, from the left edge on", "dollars", (*rows, *sums), is_stacked=True)


def _marks() -> Graph:
    rows = (
        own("UnsureImages", "unsure", hidden=True),
        own("UnfamiliarImages", "unfamiliar", hidden=True),
        own("Images", "images", hidden=True),
        Expression("unsure_share", "100*unsure/images", "unsure", ORANGE),
        Expression("unfamiliar_share", "100*unfamiliar/images", "unfamiliar", PURPLE),
    )
    return Graph("Unsure and unfamiliar", "% of images", rows)


def _mix(mix: Mapping[str, float]) -> Graph:
    metrics = class_metrics(mix)
    shares = tuple(
        Expression(f"share{number}", f"100*{metric.id}/all", name, _CLASSES[number])
        for number, (metric, name) in enumerate(zip(metrics, mix, strict=True))
    )
    total = Expression("all", count_all([metric.id for metric in metrics]), hidden=True)
    return Graph("Class mix", "% of predictions", (*metrics, total, *shares), _training_levels(mix), period_s=DAY_S // 4)


def _training_levels(mix: Mapping[str, float]) -> tuple[Level, ...]:
    """Returns one line for each share that classes have in the training."""
    names: dict[float, list[str]] = {}
    for name, share in mix.items():
        names.setdefault(round(100 * share, 1), []).append(name)
    return tuple(
        Level(share, f"training, {'each class' if len(names) == 1 else ', '.join(some)}", GREY) for share, some in names.items()
    )


def _drift(mix: Mapping[str, float]) -> Graph:
    metrics = class_metrics(mix)
    ids = [metric.id for metric in metrics]
    rows: tuple[Metric | Expression, ...] = (
        *metrics,
        Expression("all", count_all(ids), hidden=True),
        Expression("index", index_of(ids, list(mix.values()), "all"), f"days of {MIN_PREDICTIONS} images or more", BLUE),
    )
    levels = (Level(ACT, "alarm: another mix", RED), Level(LOOK, "look", ORANGE))
    return Graph("Drift of the class mix", "population stability index", rows, levels, period_s=DAY_S)


def _other_mix() -> Graph:
    schema = f"{NAMESPACE},class_name,function_name,service"
    found = f"SEARCH('{{{schema}}} MetricName=\"Predictions\" function_name=\"{FUNCTION}\"', 'Sum', {DAY_S // 4})"
    rows = (Expression("classes", found, hidden=True), Expression("shares", "100*classes/SUM(classes)"))
    return Graph("Class mix", "% of predictions", rows, period_s=DAY_S // 4)


def _no_drift() -> Text:
    return Text(
        "### Drift of the class mix\nThe template knows the classes of the bundled model alone. For an artifact of your own in "
        f"`handler/artifact`, `python -m infra.dashboard` writes its classes into the template: see `{PAGE}`."
    )


def _lambda(name: str, id_: str, stat: str, label: str = "", colour: str = "", *, hidden: bool = False) -> Metric:
    return Metric(id_, "AWS/Lambda", name, (("FunctionName", FUNCTION),), stat, label, colour, hidden)


def _queue(
    name: str, id_: str, stat: str, label: str = "", colour: str = "", *, hidden: bool = False, queue: str = UPLOADS
) -> Metric:
    return Metric(id_, "AWS/SQS", name, (("QueueName", queue),), stat, label, colour, hidden)


def _number(value: float) -> str:
    """Returns a number as metric math reads it, which knows no exponents."""
    return f"{value:.18f}".rstrip("0").rstrip(".")
