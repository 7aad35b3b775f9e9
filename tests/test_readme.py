"""The README keeps its word: its example runs, its commands and links exist, its tables are the code's."""

import doctest
import json
import re
import shlex
from pathlib import Path

import pytest

from handler import errors
from handler.contract import MANIFEST_FILE, parse_manifest
from handler.formats import FORMATS
from handler.model import BUNDLED_ARTIFACT
from handler.objects import ObjectRef
from handler.outcomes import Outcome, Report
from handler.settings import DEFAULTS
from handler.telemetry import Journal, write_metrics
from handler.triggers import TRIGGERS, parse_event
from handler.triggers.request import Results
from infra.template import read_template

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


def table(heading_cell):
    """The rows of the table whose first heading is `heading_cell`, as lists of cells."""
    lines = README.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {heading_cell} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def test_the_softmax_example_runs():
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    test = doctest.DocTestParser().get_doctest(example, {}, "README.md", "README.md", 0)

    assert doctest.DocTestRunner().run(test) == doctest.TestResults(failed=0, attempted=5)


@pytest.mark.parametrize("target", re.findall(r"(?:^    |`)(?:\w+=\w+ )?make ([\w-]+)", README, re.MULTILINE))
def test_every_make_target_exists(target):
    assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)]+)\)", README))
def test_every_link_leads_somewhere(link):
    headings = re.findall(r"^##+ (.*)", README, re.MULTILINE)
    anchors = {"#" + re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}

    assert link in anchors or (ROOT / link).exists()


def test_every_setting_is_in_the_table_with_its_default():
    settings = {row[0].strip("`"): row[2].strip("`") for row in table("variable")}

    others = {
        "OUTPUT_URI": "required",
        "INPUT_URIS": "required",
        "MODEL_URI": "the bundled one",
        "QUEUE_URL": "none",
        "RESULT_FORMAT": "json",
        "S3_CLIENT": "boto3",
    }
    assert settings == others | {name: str(default) for name, default in DEFAULTS.items()}


def test_every_parameter_is_in_the_table_with_its_default():
    parameters = read_template((ROOT / "template.yaml").read_text())["Parameters"]
    names, defaults = (
        [cell for row in table("parameter") for cell in re.sub("`", "", row[column]).split(", ")] for column in (0, 2)
    )

    words = {"": {"none", "the bundled one"}}
    assert sorted(names) == sorted(parameters)
    for name, default in zip(names, defaults, strict=True):
        assert default in words.get(parameters[name]["Default"], {str(parameters[name]["Default"])}), name


def test_values_with_spaces_reach_sam_in_quotes_of_their_own():
    """The shell takes the outer quotes away, and SAM splits what is left at spaces that are not quoted."""
    commands = [shlex.split(line) for line in re.findall(r"^    (\.venv-sam/bin/sam .*)", README, re.MULTILINE)]
    overrides = [word for words in commands for word in words if "=" in word]
    parameters = read_template((ROOT / "template.yaml").read_text())["Parameters"]

    assert 'SweepSchedule="rate(1 hour)"' in overrides
    for override in overrides:
        name, value = override.split("=", 1)
        assert " " not in value or re.fullmatch(r'"[^"]*"', value)
        stated = value.strip('"').replace("BUCKET", "bucket").replace("NAME-1", "name-1")
        assert re.fullmatch(parameters[name].get("AllowedPattern", "|".join(parameters[name].get("AllowedValues", ()))), stated)


@pytest.fixture
def consumer():
    """The example of a consumer's rule, in a template with the queue that it names."""
    example = read_template(re.search(r"```yaml\n(.*?)```", README, re.DOTALL)[1])
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Resources": {"DocumentQueue": {"Type": "AWS::SQS::Queue", "Properties": {"SqsManagedSseEnabled": True}}, **example},
    }


def test_the_rule_for_documents_is_valid(consumer, environment):
    import cfnlint.api

    assert [
        (fault.rule.id, fault.message) for fault in cfnlint.api.lint(json.dumps(consumer), config={"regions": ["us-east-1"]})
    ] == []


def test_the_rule_for_documents_takes_documents_and_nothing_else(consumer, load_event):
    from moto.events.models import EventPattern

    event = load_event("eventbridge-upload.json")
    pattern = EventPattern.load(json.dumps(consumer["Resources"]["DocumentRule"]["Properties"]["EventPattern"]))

    def takes(key, bucket="OUTPUT_BUCKET", kind="Object Created"):
        return pattern.matches_event(
            {**event, "detail-type": kind, "detail": {"bucket": {"name": bucket}, "object": {"key": key}}}
        )

    assert takes("predictions/uploads/coat-0.png.json")
    assert not takes("predictions/_coatcheck/marker.json")
    assert not takes("predictions/uploads/coat-0.png.json", bucket="another")
    assert not takes("predictions/uploads/coat-0.png.json", kind="Object Deleted")
    assert not takes("uploads/coat-0.png")


def test_dead_letters_are_kept_as_long_as_the_page_says():
    resources = read_template((ROOT / "template.yaml").read_text())["Resources"]
    waiting, kept = (
        resources[name]["Properties"]["MessageRetentionPeriod"] // 86400 for name in ("UploadQueue", "DeadLetterQueue")
    )

    text = " ".join(README.split())
    assert f"kept for {kept} days from when it was sent" in text
    assert f"waited there for {waiting} days at most, so at least {kept - waiting} are left" in text


def test_arm64_is_said_to_need_and_to_lack_what_the_build_knows():
    from infra.native import IMAGE

    assert f"`GLIBCXX_{'.'.join(map(str, IMAGE['GLIBCXX']))}`" in README


def test_every_trigger_is_in_the_table():
    assert [row[0] for row in table("trigger")] == [trigger.NAME for trigger in TRIGGERS]


def told(event, outcome):
    """How a source is told of one object's outcome, in the table's words."""
    request = parse_event(event)
    try:
        answer = request.reply(Results({ref: Report(ref, outcome) for ref in request.objects}))
    except errors.InvocationFailed:
        return "raises"
    if "batchItemFailures" in answer:
        return "returned" if answer["batchItemFailures"] else "deleted"
    if "results" in answer:
        return answer["results"][0]["resultCode"]
    return "counted" if "items" in answer else "returns"


COLUMNS = (
    ("s3-upload.json", "sns-upload.json", "eventbridge-upload.json", "cloudtrail-put.json", "direct-objects.json"),
    ("sqs-s3-upload.json",),
    ("map-csv-item.json",),
    ("batch-operations-1.json",),
)


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_told_as_the_table_says(outcome, load_event):
    row = next(row for row in table("outcome") if row[0] == outcome.value)

    for cell, names in zip(row[2:], COLUMNS, strict=True):
        assert {told(load_event(name), outcome) for name in names} == {cell}


def test_every_metric_is_in_the_table(capsys):
    scored = Report(ObjectRef("in", "a"), Outcome.SCORED, images=1, by_class={"Coat": 1})
    write_metrics(Journal([scored]), is_cold_start=False, function_name="f", request_id="r")

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    emitted = {name for line in lines for name, value in line.items() if isinstance(value, list)}
    assert {name for row in table("metric") for name in re.findall(r"`(\w+)`", row[0])} == emitted


def test_there_are_as_many_formats_as_rows():
    assert len(table("format")) == len(FORMATS), "the table of formats needs a row for each of FORMATS"


def test_the_classes_are_those_of_the_model():
    (names,) = table("index")

    assert tuple(names[1:]) == parse_manifest((BUNDLED_ARTIFACT / MANIFEST_FILE).read_bytes()).classes


def test_the_figures_are_those_of_the_manifest():
    metrics = parse_manifest((BUNDLED_ARTIFACT / MANIFEST_FILE).read_bytes()).metrics
    figures = {row[0]: row[1] for row in table("measured")}

    assert figures["test accuracy"] == f"{metrics.accuracy:.2%}"
    expected = f"{metrics.expected_calibration_error:.4f}, {metrics.negative_log_likelihood:.4f} nats"
    assert figures["expected calibration error, negative log-likelihood"] == expected


def test_the_layout_names_what_is_there():
    block = re.search(r"## Layout\n\n```text\n(.*?)```", README, re.DOTALL)[1]
    top = re.findall(r"^(\w[\w.]*/?) ", block, re.MULTILINE)

    assert all((ROOT / name).exists() for name in top)
    for room, unnamed in (("handler", {"schemas"}), ("infra", set())):
        lines = re.search(rf"^{room}/.*\n((?:  .*\n)+)", block, re.MULTILINE)[1]
        inside = {name.rstrip("/") for line in re.findall(r"^  (\w.*?)  +\w", lines, re.MULTILINE) for name in line.split(", ")}
        there = {path.name for path in (ROOT / room).iterdir() if path.suffix == ".py" or path.is_dir()}
        assert there - {"__init__.py", "__pycache__"} - unnamed == inside
    rooms = re.search(r"^training/.*\n((?:  .*\n)+)", block, re.MULTILINE)[1]
    inside = set(re.findall(r"^  (\w+)/ ", rooms, re.MULTILINE))
    assert {path.parent.name for path in (ROOT / "training").glob("*/__init__.py")} == inside


def test_the_document_shown_is_the_document_written(upload, stored, load_event):
    from handler.app import build_parts, lambda_handler
    from infra.cloud.event_source import Context

    upload("uploads/coat-0.png", (ROOT / "events" / "images" / "coat-0.png").read_bytes())
    build_parts.cache_clear()
    lambda_handler(load_event("s3-upload.json"), Context("r"))
    build_parts.cache_clear()

    (written,) = stored().values()
    shown = json.loads(re.search(r"```json\n(.*?)```", README, re.DOTALL)[1])
    written = json.loads(written)
    assert {**shown, "predictions": None, "summary": None} == {**written, "predictions": None, "summary": None}
    assert shown["predictions"][0]["probabilities"] == pytest.approx(written["predictions"][0]["probabilities"], abs=0.02)
    assert shown["predictions"][0]["class_name"] == written["predictions"][0]["class_name"]
