"""The pages keep their word: their commands and links exist, their tables are the code's, what they show is what comes out."""

import json
import re
import shlex

import pytest
import typer.main
from botocore import xform_name
from botocore.session import Session

from handler import errors
from handler.formats import FORMATS
from handler.objects import ObjectRef
from handler.outcomes import Outcome, Report
from handler.settings import DEFAULTS
from handler.telemetry import Journal, write_metrics
from handler.triggers import TRIGGERS, parse_event
from handler.triggers.request import Results
from infra.__main__ import app as infra_app
from infra.template import read_template
from tests.pages import PAGES, ROOT, table, text_of
from training.__main__ import app as training_app

MAKEFILE = (ROOT / "Makefile").read_text()


def code_of(page):
    """The lines of code of a page: of its blocks, fenced or indented, and between backticks."""
    text = page.read_text().replace("\\\n", " ")
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^    (\S.*)", text, re.MULTILINE)
    return [*(line for block in blocks for line in block.splitlines()), *indented, *re.findall(r"`([^`\n]+)`", text)]


def anchors_of(page):
    """The anchors of a page's headings."""
    headings = re.findall(r"^#+ (.*)", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


MADE = sorted(
    {target for page in PAGES for line in code_of(page) for target in re.findall(r"^(?:\w+=\S+ )*make ([a-z-]+)", line)}
)
LINKS = [
    pytest.param(page, link, id=f"{page.relative_to(ROOT)}: {link}")
    for page in PAGES
    for link in sorted(set(re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text())))
]
CALL = re.compile(r"(?:\.venv/bin/)?(coatcheck|python -m training|aws) ([a-z].*)")
CALLS = sorted({found.groups() for page in PAGES for line in code_of(page) if (found := CALL.match(line)) and "…" not in line})
CLI_ALONE = {"--cli-read-timeout", "--cli-binary-format", "--region"}  # options that the AWS CLI has for every call


SKIMMED = 2500  # words that are read in ten minutes, at 250 a minute


def skimmed(page):
    """What a hurried reader takes in of a page: its headings, and its first paragraph, which says what the page is for."""
    blocks = re.split(r"\n\s*\n", page.read_text())
    first = next((block for block in blocks if not re.match(r"[|!#<]|```|    ", block)), None)
    assert first, f"{page} needs a paragraph that says what it is for"
    return [first, *(block.lstrip("# ").splitlines()[0] for block in blocks if block.startswith("#"))]


def test_all_pages_are_skimmed_in_ten_minutes():
    assert len(" ".join(text for page in PAGES for text in skimmed(page)).split()) <= SKIMMED


NAMED = re.compile(r"`((?:handler|training|infra|tests|docs|events|requirements|\.github)/[\w./-]*)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_is_there(page):
    paths = NAMED.findall(page.read_text())

    assert [path for path in paths if "NAME" not in path and not (ROOT / path).exists()] == []


@pytest.mark.parametrize("target", MADE)
def test_every_make_target_exists(target):
    assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_every_link_leads_somewhere(page, link):
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page

    assert target.exists()
    assert not anchor or anchor in anchors_of(target)


def options_of(program, words):
    """The options that a program takes after its first words, which name what it is to do."""
    if program == "aws":
        service, operation = words[:2]
        model = Session().get_service_model({"s3api": "s3"}.get(service, service))
        (name,) = (name for name in model.operation_names if xform_name(name, "-") == operation)
        return CLI_ALONE | {f"--{xform_name(member, '-')}" for member in model.operation_model(name).input_shape.members}
    command = typer.main.get_command({"coatcheck": infra_app, "python -m training": training_app}[program]).commands[words[0]]
    if isinstance(command, typer.core.TyperGroup) and words[1:] and words[1] in command.commands:
        command = command.commands[words[1]]
    return {"--help", *(option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts))}


@pytest.mark.parametrize(("program", "call"), CALLS)
def test_every_command_has_the_options_that_a_page_gives_it(program, call):
    words = shlex.split(call, comments=True)
    options = [word.split("=")[0] for word in words if word.startswith("--")]

    assert (program, words[0]) == ("aws", "s3") or set(options) <= options_of(program, words)


def test_every_setting_is_in_the_table_with_its_default():
    settings = {row[0].strip("`"): row[2].strip("`") for row in table(text_of("settings"), "variable")}

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
        [cell for row in table(text_of("deploy"), "parameter") for cell in re.sub("`", "", row[column]).split(", ")]
        for column in (0, 2)
    )

    words = {"": {"none", "the bundled one"}}
    assert sorted(names) == sorted(parameters)
    for name, default in zip(names, defaults, strict=True):
        assert default in words.get(parameters[name]["Default"], {str(parameters[name]["Default"])}), name


def test_values_with_spaces_reach_sam_in_quotes_of_their_own():
    """The shell takes the outer quotes away, and SAM splits what is left at spaces that are not quoted."""
    texts = [page.read_text() for page in PAGES]
    commands = [shlex.split(line) for text in texts for line in re.findall(r"^    (\.venv-sam/bin/sam .*)", text, re.MULTILINE)]
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
    example = read_template(re.search(r"```yaml\n(.*?)```", text_of("deploy"), re.DOTALL)[1])
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


def test_arm64_is_said_to_need_and_to_lack_what_the_build_knows():
    from infra.native import IMAGE

    assert f"`GLIBCXX_{'.'.join(map(str, IMAGE['GLIBCXX']))}`" in text_of("deploy")


def test_every_trigger_is_in_the_table():
    assert [row[0] for row in table(text_of("triggers"), "trigger")] == [trigger.NAME for trigger in TRIGGERS]


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
    row = next(row for row in table(text_of("triggers"), "outcome") if row[0] == outcome.value)

    for cell, names in zip(row[2:], COLUMNS, strict=True):
        assert {told(load_event(name), outcome) for name in names} == {cell}


def test_every_command_is_on_its_page():
    page = text_of("commands")

    assert [
        name for name in typer.main.get_command(infra_app).commands if not re.search(rf"`(?:coatcheck )?{name}\b", page)
    ] == []


def test_every_metric_is_in_the_table(capsys):
    scored = Report(ObjectRef("in", "a"), Outcome.SCORED, images=1, by_class={"Coat": 1})
    write_metrics(Journal([scored]), is_cold_start=False, function_name="f", request_id="r")

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    emitted = {name for line in lines for name, value in line.items() if isinstance(value, list)}
    assert {name for row in table(text_of("operate"), "metric") for name in re.findall(r"`(\w+)`", row[0])} == emitted


def test_there_are_as_many_formats_as_rows():
    assert len(table(text_of("formats"), "format")) == len(FORMATS), "the table of formats needs a row for each of FORMATS"


def test_the_layout_names_what_is_there():
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    block = re.search(r"## The map of the house\n\n```text\n(.*?)```", contributing, re.DOTALL)[1]
    top = re.findall(r"^(\w[\w.]*/?) ", block, re.MULTILINE)

    assert all((ROOT / name).exists() for name in top)
    for room, unnamed in (("handler", {"schemas"}), ("infra", set())):
        lines = re.search(rf"^{room}/.*\n((?:  .*\n)+)", block, re.MULTILINE)[1]
        inside = {name.rstrip("/") for line in re.findall(r"^  (\w.*?)  +\w", lines, re.MULTILINE) for name in line.split(", ")}
        there = {path.name for path in (ROOT / room).iterdir() if path.suffix == ".py" or path.is_dir()}
        assert there - {"__init__.py", "__pycache__"} - unnamed == inside, f"the map of {room} in CONTRIBUTING.md"
    rooms = re.search(r"^training/.*\n((?:  .*\n)+)", block, re.MULTILINE)[1]
    inside = set(re.findall(r"^  (\w+)/ ", rooms, re.MULTILINE))
    assert {path.parent.name for path in (ROOT / "training").glob("*/__init__.py")} == inside


@pytest.fixture
def written(upload, stored, load_event):
    """Uploads an object, has the function score it, and returns its document."""
    from handler.app import build_parts, lambda_handler
    from infra.cloud.event_source import Context

    def score(key, content):
        upload(key, content)
        build_parts.cache_clear()
        lambda_handler({"objects": [f"s3://coatcheck-input-123456789012/{key}"]}, Context("r"))
        build_parts.cache_clear()
        (document,) = stored().values()
        return json.loads(document)

    return score


def shown():
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text_of("documents"), re.DOTALL)]


def test_the_document_shown_is_the_document_written(written):
    document = written("uploads/coat-0.png", (ROOT / "events" / "images" / "coat-0.png").read_bytes())
    page = shown()[0]

    assert {**page, "predictions": None, "summary": None} == {**document, "predictions": None, "summary": None}
    assert page["predictions"][0]["probabilities"] == pytest.approx(document["predictions"][0]["probabilities"], abs=0.02)
    assert page["predictions"][0]["class_name"] == document["predictions"][0]["class_name"]


def test_the_rejection_shown_is_the_rejection_written(written):
    assert shown()[1] == written("uploads/notes.pdf", b"%PDF-1.7\n")


def test_dead_letters_are_kept_as_long_as_their_page_says():
    resources = read_template((ROOT / "template.yaml").read_text())["Resources"]
    waiting, kept = (
        resources[name]["Properties"]["MessageRetentionPeriod"] // 86400 for name in ("UploadQueue", "DeadLetterQueue")
    )

    text = " ".join(text_of("dead-letters").split())
    assert f"SQS deletes a dead letter after {kept} days" in text
    assert f"has waited there for {waiting} days at most, so {kept - waiting} are left at least" in text
