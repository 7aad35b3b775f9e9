"""The numbers that are read off a dashboard are those that its graphs show."""

import json

from infra.dashboard.graphs import Expression, Graph, Metric, Placed, Text
from infra.dashboard.reading import Asked, read_dashboard

FUNCTION = (("FunctionName", "coatcheck"),)
GRAPH = Graph(
    "Time of an image",
    "milliseconds",
    (
        Metric("duration", "AWS/Lambda", "Duration", FUNCTION, "Sum", hidden=True),
        Metric("images", "Coatcheck", "Images", FUNCTION, "Sum", hidden=True),
        Metric("errors", "AWS/Lambda", "Errors", FUNCTION, "Sum", "errors"),
        Expression("all", "duration/images", "function"),
        Expression("rate", "images/PERIOD(images)*60", "images a minute"),
    ),
)
ABOUT = Text("What each graph shows.")


def read(figures):
    body = {"widgets": [Placed(widget, 0, 0, 8, 6).as_widget() for widget in (ABOUT, GRAPH)]}
    (reading,) = read_dashboard(json.dumps(body), lambda asked: figures.get(asked.name))
    return reading


def test_a_line_has_the_number_of_its_metric_or_of_its_expression():
    reading = read({"Duration": 300.0, "Images": 150.0, "Errors": 0.0})

    assert (reading.title, reading.unit) == ("Time of an image", "milliseconds")
    assert reading.values == {"errors": 0, "function": 2, "images a minute": 10}
    assert reading.known[0] == Asked("AWS/Lambda", "Duration", {"FunctionName": "coatcheck"}, "Sum", 900)


def test_a_line_without_figures_has_no_number():
    reading = read({"Images": 150.0})

    assert reading.values == {"errors": None, "function": 0, "images a minute": 10}
    assert [asked.name for asked in reading.known] == ["Images"]
    assert read({}).values == {"errors": None, "function": None, "images a minute": None}
