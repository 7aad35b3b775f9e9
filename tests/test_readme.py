"""The README keeps its word: its example runs, its commands and links exist, its tables are the code's."""

import doctest
import json
import re
from pathlib import Path

import pytest

from handler import errors
from handler.contract import MANIFEST_FILE, parse_manifest
from handler.formats import FORMATS
from handler.model import BUNDLED_ARTIFACT
from handler.outcomes import Outcome
from handler.settings import DEFAULTS

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


@pytest.mark.parametrize("target", re.findall(r"(?:^    |`)(?:\w+=\w+ )?make (\w+)", README, re.MULTILINE))
def test_every_make_target_exists(target):
    assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)]+)\)", README))
def test_every_link_leads_somewhere(link):
    assert (ROOT / link).exists()


def test_every_setting_is_in_the_table_with_its_default():
    settings = {row[0].strip("`"): row[2].strip("`") for row in table("variable")}

    required = {"OUTPUT_URI": "required", "INPUT_URIS": "required", "MODEL_URI": "the bundled one", "RESULT_FORMAT": "json"}
    assert settings == required | {name: str(default) for name, default in DEFAULTS.items()}


def test_every_error_is_in_the_table():
    named = {name for row in table("error") for name in re.findall(r"`(\w+)`", row[0])}
    leaves = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.ScoringError) and not value.__subclasses__()
    }

    assert named == leaves


def test_every_outcome_is_in_the_table():
    assert {name for row in table("outcome") for name in row[0].split(", ")} == {outcome.value for outcome in Outcome}


def test_there_are_as_many_formats_as_rows():
    assert len(table("format")) == len(FORMATS)


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
    inside = [name for line in re.findall(r"^  (\w.*?)  +\w", block, re.MULTILINE) for name in line.split(", ")]

    assert all((ROOT / name).exists() for name in top)
    assert all((ROOT / "handler" / name).exists() for name in inside)
    rooms = {path.name for path in (ROOT / "handler").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert rooms - {"__init__.py", "__pycache__", "schemas"} == {name.rstrip("/") for name in inside}


def test_the_document_shown_is_the_document_written(upload, stored, load_event):
    from handler.app import build_scorer, lambda_handler
    from infra.event_source import Context

    upload("uploads/coat-0.png", (ROOT / "events" / "images" / "coat-0.png").read_bytes())
    build_scorer.cache_clear()
    lambda_handler(load_event("s3-upload.json"), Context("r"))
    build_scorer.cache_clear()

    (written,) = stored().values()
    shown = json.loads(re.search(r"```json\n(.*?)```", README, re.DOTALL)[1])
    written = json.loads(written)
    assert {**shown, "predictions": None, "summary": None} == {**written, "predictions": None, "summary": None}
    assert shown["predictions"][0]["probabilities"] == pytest.approx(written["predictions"][0]["probabilities"], abs=0.02)
    assert shown["predictions"][0]["class_name"] == written["predictions"][0]["class_name"]
