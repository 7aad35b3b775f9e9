"""The artifact clothes-photos ships beside the bundled one: by its name on this machine, and by ModelUri in the function."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from handler.contract import MANIFEST_FILE, parse_manifest
from training.export.card import CARD_FILE, render_card
from training.shipped import find_artifact

ROOT = Path(__file__).parents[2]
PHOTOS = ROOT / "events" / "images" / "photos"
ARTIFACT = find_artifact("clothes-photos")
MODEL = "s3://models/v1/"
INPUT = "coatcheck-input-123456789012"


@pytest.fixture
def manifest():
    return parse_manifest((ARTIFACT / MANIFEST_FILE).read_bytes())


@pytest.fixture
def scored(tmp_path):
    """The document of each photo, as the command that scores folders writes it."""
    command = [sys.executable, "-m", "infra", "score", str(PHOTOS), "--artifact", "clothes-photos", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {path.name.removesuffix(".json"): json.loads(path.read_text()) for path in tmp_path.glob("*.json")}


def test_it_keeps_to_what_an_artifact_for_photos_may_cost(manifest):
    assert manifest.model.size_bytes <= 8_000_000
    assert manifest.training["multiplications"] <= 250_000_000
    assert manifest.unsure_thresholds
    assert manifest.unfamiliar_below is not None


def test_its_card_is_that_of_its_manifest(manifest):
    assert (ARTIFACT / CARD_FILE).read_text() == render_card(manifest)


def test_a_photo_of_each_class_ships_and_most_are_recognised(scored, manifest):
    """They are the first test photo of each class, and not selected; what is wrong is unsure."""
    assert sorted(scored) == [f"{name}.jpg" for name in manifest.classes]
    predictions = {name.removesuffix(".jpg"): document["predictions"][0] for name, document in scored.items()}
    wrong = {name: row["class_name"] for name, row in predictions.items() if row["class_name"] != name}
    assert wrong == {"longsleeve": "t-shirt", "shirt": "longsleeve", "t-shirt": "longsleeve"}
    assert [name for name in wrong if not predictions[name]["unsure"]] == []
    assert [name for name, row in predictions.items() if row["unfamiliar"]] == []


def test_the_function_writes_the_same_by_a_model_in_s3(scored, invoke, upload, stored, s3, monkeypatch):
    bucket = MODEL.split("/")[2]
    s3.create_bucket(Bucket=bucket)
    for path in ARTIFACT.iterdir():
        s3.upload_file(str(path), bucket, f"v1/{path.name}")
    monkeypatch.setenv("MODEL_URI", MODEL)
    for path in PHOTOS.iterdir():
        upload(f"uploads/{path.name}", path.read_bytes())

    invoke({"objects": [f"s3://{INPUT}/uploads/{path.name}" for path in PHOTOS.iterdir()]})

    documents = {key.split("/")[-1].removesuffix(".json"): json.loads(content) for key, content in stored().items()}
    assert {name: document["predictions"] for name, document in documents.items()} == {
        name: document["predictions"] for name, document in scored.items()
    }
    assert {document["model"]["name"] for document in documents.values()} == {"clothes-photos"}


def test_its_page_tells_what_is_hard_and_what_it_ships_with(manifest):
    text = " ".join((ROOT / "docs" / "clothes-photos.md").read_text().split())

    recall = {
        name: f"{measured.recall:.0%}" for name, measured in zip(manifest.classes, manifest.metrics_by_class, strict=True)
    }
    hard = f"{recall['shirt']}, {recall['skirt']}, {recall['longsleeve']} and {recall['outwear']}"
    assert f"Shirt, skirt, long sleeve and outwear are hard: {hard} of these are right." in text
    assert f"{manifest.version}, what ships | **{manifest.metrics.accuracy:.1%}** |" in text
