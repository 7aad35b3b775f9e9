"""The model card says what the manifest says, whatever is missing of it, and lets no name act."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from handler.contract import MANIFEST_FILE, parse_manifest
from handler.model import BUNDLED_ARTIFACT
from training.export.card import CARD_FILE, render_card

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def bundled():
    return parse_manifest((BUNDLED_ARTIFACT / MANIFEST_FILE).read_bytes())


def rows(card):
    """The cells of every table row, by the first one."""
    lines = [line.strip("| ").split(" | ") for line in card.splitlines() if line.startswith("| ")]
    return {first: rest for first, *rest in lines}


def test_the_card_that_ships_is_that_of_its_manifest(bundled):
    assert (BUNDLED_ARTIFACT / CARD_FILE).read_text(encoding="utf-8") == render_card(bundled)


def test_an_export_writes_the_card_of_its_manifest(labelled, tiny_artifact):
    assert (tiny_artifact / CARD_FILE).read_text(encoding="utf-8") == render_card(labelled[0].manifest)


def test_the_figures_of_the_manifest_are_on_the_card(labelled):
    manifest = labelled[0].manifest
    cells = rows(render_card(manifest))

    metrics, before = manifest.metrics, manifest.metrics_before_scaling
    assert cells["accuracy"] == [f"{metrics.accuracy:.2%}"]
    assert cells["negative log-likelihood"] == [
        f"{metrics.negative_log_likelihood:.4f} nats ({before.negative_log_likelihood:.4f} before temperature scaling)"
    ]
    assert cells["expected calibration error, 15 equal-width bins"] == [
        f"{metrics.expected_calibration_error:.4f} ({before.expected_calibration_error:.4f} before)"
    ]
    assert cells["accuracy before quantisation, in float"] == [f"{manifest.metrics_in_float.accuracy:.2%}"]
    assert cells["test images predicted the same in float"] == [f"{manifest.agreement_with_float:.2%}"]
    assert (cells["parameters"], cells["multiplications an image"]) == (["435"], ["432"])
    assert cells["epochs done"] == ["2"]
    assert cells["config, seed"] == ["0"]
    assert cells["md5 of content, t10k-labels-idx1-ubyte"] == [manifest.dataset["md5_of_content"]["t10k-labels-idx1-ubyte"]]
    middle = manifest.metrics_by_class[2]
    assert cells["2"] == ["middle of the image", f"{middle.precision:.1%}", f"{middle.recall:.1%}", str(middle.images)]


def test_a_name_is_text_and_neither_markdown_nor_html(labelled):
    card = render_card(labelled[0].manifest)

    assert card.startswith(r"# tiny &amp; &lt;b&gt;\$\\frac\$&lt;/b&gt; 0.1.0")
    assert '| 0 | &lt;script&gt;alert("x")&lt;/script&gt; |' in card
    assert r"| 1 | \_\$\\frac\{\$\|\`b\` |" in card
    assert "<" not in card


def test_a_manifest_of_a_model_from_elsewhere_has_a_card(bundled):
    sparse = msgspec.structs.replace(bundled, metrics=None, unsure_below=None, dataset={}, training={"source": "my.keras"})
    card = render_card(sparse)

    assert "No labelled test images were at hand" in card
    assert "there is no confidence from which on" in card
    assert "Nothing is recorded of the data." in card
    assert rows(card)["source"] == ["my.keras"]
    assert "Some labels of Fashion-MNIST" not in card
    assert "None" not in card


def test_rendering_a_card_loads_no_library_of_training():
    program = (
        "import sys, training.export.card; print(sorted({'tensorflow', 'keras', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)

    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
