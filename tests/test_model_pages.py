"""The pages of the models that ship: their figures are those of the manifests, and their links lead somewhere."""

import re
from pathlib import Path

import pytest

from handler.contract import MANIFEST_FILE, parse_manifest
from handler.model import BUNDLED_ARTIFACT
from training.export.trial_tables import changed_rows, foreign_rows
from training.shipped import find_artifact

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
MODELS = {"fashion-mnist": BUNDLED_ARTIFACT, "clothes-photos": find_artifact("clothes-photos")}

pytestmark = pytest.mark.parametrize("name", MODELS)


def manifest_of(name):
    return parse_manifest((MODELS[name] / MANIFEST_FILE).read_bytes())


def text_of(path):
    return " ".join(path.read_text().split())


def test_a_page_tells_what_its_marks_promise(name):
    text, manifest = text_of(DOCS / f"{name}.md"), manifest_of(name)

    promise = manifest.sure
    assert f"at most {promise.max_wrong:.0%} are wrong, with a probability of {promise.probability:.0%}" in text
    assert f"{promise.sure:,} were sure, and {promise.wrong} of them wrong" in text
    assert f"at most {manifest.familiar.max_marked:.0%} are marked so" in text


def test_a_page_tells_how_the_model_stands_what_it_was_not_made_for(name):
    text, trial = text_of(DOCS / f"{name}.md"), manifest_of(name).trial

    _, _, right, trusted, precise, _ = changed_rows(trial.changed)[-1]
    right, trusted, precise = map(re.escape, (right, trusted, precise))
    told = rf"{right} of the test \w+ are right, {trusted} have neither mark, and {precise} of these are right"
    assert re.search(told, text)
    _, _, unfamiliar, _, marked, *_ = foreign_rows(trial.foreign)[-1]
    assert f"{unfamiliar} are marked `unfamiliar`, and {marked} have one of the marks" in text


def test_the_pages_tell_the_accuracy(name):
    metrics = manifest_of(name).metrics
    told = {
        "fashion-mnist": f"{metrics.accuracy:.2%} of the {metrics.images:,} test images right",
        "clothes-photos": f"{metrics.accuracy:.1%} of {metrics.images} photos right",
    }

    assert told[name] in text_of(DOCS / f"{name}.md")


def test_every_link_of_a_page_leads_somewhere(name):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (DOCS / f"{name}.md").read_text())

    assert links
    assert [link for link in links if not (DOCS / link).exists()] == []
