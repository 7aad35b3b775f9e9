"""The pictures of a model, and what they are drawn from."""

import base64
import io
import math
import re
from html.parser import HTMLParser

import msgspec
import numpy as np
import PIL.Image
import pytest

from handler.contract import Scores
from training.artifact import score
from training.export.metrics import accuracy_by_coverage, confident_mistakes
from training.report.model_figures import (
    draw_confusion,
    draw_coverage,
    draw_learning_curves,
    draw_predictions,
    draw_reliability,
)
from training.report.page import Picture, render_page
from training.report.report import DRAWN, _draw, read_history, report

NAMES = ["learning-curves", "confusion", "reliability", "coverage", "mistakes", "classes"]


@pytest.fixture(scope="module")
def reported(labelled, tmp_path_factory):
    return report(*labelled, tmp_path_factory.mktemp("reported"))


class Tags(HTMLParser):
    """Collects what a browser would take for tags, and the sources of images."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.sources = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in {"src", "href"}]


def test_each_picture_is_written_and_inside_of_the_page(reported):
    page = Tags(reported[-1].read_text(encoding="utf-8"))

    assert [path.name for path in reported] == [*(f"{name}.png" for name in NAMES), "index.html"]
    assert [PIL.Image.open(io.BytesIO(path.read_bytes())).format for path in reported[:-1]] == ["PNG"] * 6
    inside = [base64.b64decode(source.removeprefix("data:image/png;base64,")) for source in page.sources]
    assert inside == [path.read_bytes() for path in reported[:-1]]


def test_the_page_runs_nothing_and_escapes_names(reported):
    page = reported[-1].read_text(encoding="utf-8")

    assert set(Tags(page).tags) == {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "figure", "figcaption", "img")
    }
    assert "<h1>tiny &amp; &lt;b&gt;$\\frac$&lt;/b&gt; 0.1.0</h1>" in page
    assert not re.search(r"https?:", page)


def test_all_text_of_a_page_is_escaped():
    page = render_page("<a>", ["<b>"], [Picture("x.gif", '"<i>', "<u>", b"GIF")])

    assert {"a", "b", "i", "u"}.isdisjoint(Tags(page).tags)
    assert 'alt="&quot;&lt;i&gt;" src="data:image/gif;base64,R0lG"' in page


def test_without_a_history_there_are_no_learning_curves_and_the_page_says_so(labelled, tmp_path):
    model, dataset = labelled
    manifest = msgspec.structs.replace(model.manifest, training={"history": [{"loss": 1}]}, dataset={})
    paths = report(msgspec.structs.replace(model, manifest=manifest), dataset, tmp_path)

    assert [path.name for path in paths] == [*(f"{name}.png" for name in NAMES[1:]), "index.html"]
    assert "holds no history of the training" in paths[-1].read_text()
    assert "other data than the manifest names" in paths[-1].read_text()


def titles(figure):
    return [axes.get_title() for axes in figure.axes if axes.images]


def test_forty_mistakes_and_the_forty_least_familiar_images_are_drawn(labelled, tmp_path):
    model, dataset = labelled

    def classify(images):
        brightness = images.mean(axis=(1, 2, 3), dtype=np.float32)
        return Scores(model.classify(images).probabilities[:, [1, 2, 0]], brightness)  # mostly wrong

    familiar = msgspec.structs.replace(model, classify=classify)
    scores = score(familiar, dataset.test.images)
    figures = _draw(model.manifest, dataset.test, scores)
    paths = report(familiar, dataset, tmp_path)

    assert [path.stem for path in paths] == [*NAMES[:5], "unfamiliar", "classes", "index"]
    assert "does not tell how familiar" not in paths[-1].read_text(encoding="utf-8")
    assert len(titles(figures["mistakes"])) == len(titles(figures["unfamiliar"])) == DRAWN == 40
    shown_familiarity = [float(title.rpartition("familiarity ")[2]) for title in titles(figures["unfamiliar"])]
    assert shown_familiarity == pytest.approx(np.sort(scores.familiarity)[:40], abs=1e-3)


def test_without_familiarity_the_picture_is_left_out_and_the_page_says_so(reported):
    assert "unfamiliar.png" not in [path.name for path in reported]
    assert "The model does not tell how familiar an image is" in reported[-1].read_text(encoding="utf-8")


def test_each_image_is_drawn_under_its_label_and_what_the_model_says():
    images = np.zeros((2, 12, 8, 3), np.uint8)
    probabilities = np.array([[0.25, 0.75], [0.875, 0.125]])

    plain = draw_predictions("two", images, np.array([0, 1]), Scores(probabilities), ("cat", "a $\\frac$"))
    known = draw_predictions("two", images, np.array([0, 1]), Scores(probabilities, np.array([-1234.56, 0.5])), ("cat", "dog"))

    assert titles(plain) == [
        "labelled cat\npredicted a \\$\\frac\\$\nconfidence 0.750",
        "labelled a \\$\\frac\\$\npredicted cat\nconfidence 0.875",
    ]
    assert titles(known)[0] == "labelled cat\npredicted dog\nconfidence 0.750\nfamiliarity -1234.560"
    assert titles(known)[1].endswith("familiarity 0.500")


def test_the_confusion_matrix_adds_up_to_the_images_of_each_class(labelled):
    model, dataset = labelled
    figure = _draw(model.manifest, dataset.test, score(model, dataset.test.images))["confusion"]
    counts = np.array([int(text.get_text().replace(",", "")) for text in figure.axes[0].texts]).reshape(3, 3)

    assert counts.sum(axis=1).tolist() == np.bincount(dataset.test.labels).tolist()
    assert np.trace(counts) / counts.sum() == pytest.approx(model.manifest.metrics.accuracy)


def test_the_most_confident_mistakes_are_mistakes_the_surest_first(labelled):
    model, dataset = labelled
    probabilities, labels = score(model, dataset.test.images).probabilities, dataset.test.labels

    wrong = confident_mistakes(probabilities, labels, limit=5)

    confidence = probabilities.max(axis=1)
    others = np.setdiff1d(np.flatnonzero(probabilities.argmax(axis=1) != labels), wrong)
    assert len(wrong) == 5
    assert (probabilities.argmax(axis=1)[wrong] != labels[wrong]).all()
    assert confidence[wrong].tolist() == sorted(confidence[wrong].tolist(), reverse=True)
    assert confidence[others].max() <= confidence[wrong].min()


def test_accuracy_against_coverage_ends_at_the_accuracy_of_all(labelled):
    model, dataset = labelled
    coverage, accuracy = accuracy_by_coverage(score(model, dataset.test.images).probabilities, dataset.test.labels)

    assert (coverage[-1], accuracy[-1]) == (1.0, pytest.approx(model.manifest.metrics.accuracy))
    assert coverage[0] == pytest.approx(1 / 120)


def test_the_most_confident_come_first():
    probabilities = np.array([[0.6, 0.4], [0.1, 0.9], [0.8, 0.2]])
    coverage, accuracy = accuracy_by_coverage(probabilities, np.array([0, 1, 1]))

    assert coverage == pytest.approx([1 / 3, 2 / 3, 1])
    assert accuracy == pytest.approx([1, 1 / 2, 2 / 3])


def test_the_threshold_is_marked_where_it_is():
    probabilities = np.array([[0.6, 0.4], [0.1, 0.9], [0.8, 0.2], [0.7, 0.3]])
    labels = np.array([1, 1, 0, 0])

    def texts(threshold):
        return [text.get_text() for text in draw_coverage(probabilities, labels, threshold).axes[0].texts]

    everything = "all: 100.0% of the images,\n75.00% right"
    assert texts((0.7, 0.7)) == [everything, "not unsure: 75.0% of the images,\n100.00% right"]
    assert texts((0.75, 0.95)) == [everything, "not unsure: 25.0% of the images,\n100.00% right"]
    assert texts(None) == texts((math.inf, 0.95)) == [everything]


def test_the_history_is_that_of_the_manifest(labelled):
    history = read_history(labelled[0].manifest)
    lines = draw_learning_curves(history).axes[1].lines

    assert len(history) == 2
    assert [list(line.get_ydata()) for line in lines] == [[80.0, 80.0], [90.0, 90.0]]


@pytest.mark.parametrize("classes", [3, 40])
def test_a_model_without_mistakes_and_one_of_many_classes_are_drawn(classes):
    labels = np.arange(classes)
    names = [f"class {index}" for index in range(classes)]
    right = np.eye(classes)
    empty = np.empty((0, 8, 8, 3), np.uint8)

    figures = [
        draw_confusion(np.eye(classes, dtype=int), names),
        draw_reliability(right, right, labels),
        draw_coverage(right, labels, (1.0,) * classes),
        draw_predictions("No mistakes", empty, labels[:0], Scores(right[:0]), names),
    ]

    for figure in figures:
        figure.canvas.draw()
    assert len(figures[0].axes[0].texts) == (9 if classes == 3 else 0)
