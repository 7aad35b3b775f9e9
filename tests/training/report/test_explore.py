"""The pictures of the data, on a small data set and, for other shapes and more classes, on made-up arrays."""

import csv
import dataclasses
import io

import msgspec
import numpy as np
import PIL.Image
import pytest

from handler.model import BUNDLED_ARTIFACT
from training.config import PRESETS
from training.data.dataset import Split
from training.data.held_out import split_training_images
from training.data.sources import load_labelled
from training.errors import TrainingError
from training.report.data_figures import draw_class_balance, draw_embedding, draw_sprite
from training.report.explore import FRAMES, HOLD_MS, embeddings, explore, log_odds, sample
from training.report.figures import render_gif, render_png, shown, style_of


@pytest.fixture(scope="module")
def explored(labelled, tmp_path_factory):
    """The files of a data set of which some labels were changed."""
    model, dataset = labelled
    train, test = ((part.images, part.labels.copy()) for part in (dataset.train, dataset.test))
    for part in (train, test):
        part[1][:4] = (part[1][:4] + 1) % 3
    changed = dataclasses.replace(dataset, train=Split(*train), test=Split(*test))
    return explore(model, changed, tmp_path_factory.mktemp("explored"), points=150)


def opened(content):
    return PIL.Image.open(io.BytesIO(content))


def test_each_picture_and_the_page_are_written(explored):
    names = ["sprite.png", "class-balance.png", "doubtful-labels.png", "embedding.gif", "index.html", "doubtful-labels.csv"]

    assert [path.name for path in explored] == names
    assert [opened(path.read_bytes()).format for path in explored[:4]] == ["PNG", "PNG", "PNG", "GIF"]


def test_the_page_counts_the_doubtful_labels_that_the_list_names(explored):
    lines = list(csv.DictReader(io.StringIO(explored[5].read_text(encoding="utf-8-sig"), newline="")))

    assert {(line["part"], line["position"]) for line in lines} == {
        (part, str(position)) for part in ("train", "test") for position in range(4)
    }
    page = explored[4].read_text(encoding="utf-8")
    assert "4 of the 3,500 training labels (0.1%) and 4 of the 120 test labels (3.3%) are doubtful" in page
    assert "fall on doubtful test images, which are 3.3% of the test images." in page


def test_where_no_label_is_doubtful_there_is_no_picture_of_any(labelled, tmp_path):
    paths = explore(*labelled, tmp_path, points=12)

    assert "doubtful-labels.png" not in [path.name for path in paths]
    assert "0 of the 3,500 training labels" in paths[-2].read_text(encoding="utf-8")
    assert len(paths[-1].read_text(encoding="utf-8").splitlines()) == 1


def test_the_embedding_rests_at_its_ends_and_repeats(explored):
    with PIL.Image.open(explored[3]) as gif:
        durations = []
        for frame in range(gif.n_frames):
            gif.seek(frame)
            durations.append(gif.info["duration"])

    assert len(durations) == FRAMES
    assert (durations[0], durations[-1]) == (HOLD_MS, HOLD_MS)
    assert gif.info["loop"] == 0


def test_the_sprite_has_three_rows_of_every_class_pixel_by_pixel(labelled):
    dataset = labelled[1]
    drawn = np.asarray(
        opened(render_png(draw_sprite(dataset.train.images, dataset.train.labels, ("a", "b", "c")))).convert("L")
    )

    for index in range(3):
        first_rows = dataset.train.images[dataset.train.labels == index][:90, :, :, 0].reshape(3, 30, 12, 12)
        expected = first_rows.swapaxes(1, 2).reshape(36, 360).repeat(2, axis=0).repeat(2, axis=1)
        top, left = 6 + index * (72 + 6), drawn.shape[1] - 6 - 720
        shown_there = drawn[top : top + 72, left : left + 720]
        assert np.abs(shown_there.astype(int) - expected).max() <= 1  # greys go through a colour map


def test_classes_come_apart_from_pixels_to_features():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 40)
    images = rng.integers(0, 256, (120, 6, 6, 1), np.uint8)
    features = np.eye(3)[labels] * 5 + rng.normal(0, 0.1, (120, 3))

    ends = embeddings(images, features)

    def nearest_is_of_the_same_class(points):
        distance = np.linalg.norm(points[:, None] - points[None], axis=2) + 1e9 * np.eye(len(points))
        return (labels[distance.argmin(axis=1)] == labels).mean()

    assert [points.shape for points in ends] == [(120, 2), (120, 2)]
    assert nearest_is_of_the_same_class(ends[0]) < 0.6
    assert nearest_is_of_the_same_class(ends[1]) == 1.0
    assert [float(np.abs(points).max()) for points in ends] == [1.0, 1.0]
    assert np.array_equal(ends[1], embeddings(images, features)[1])


def test_log_odds_are_the_logits_up_to_a_constant():
    logits = np.array([[1.0, 3.0, 5.0], [2.0, 2.0, -4.0]])
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    assert log_odds(probabilities) == pytest.approx(np.array([[-2.0, 0.0, 2.0], [2.0, 2.0, -4.0]]))


def test_images_held_out_of_the_training_are_shown_where_the_manifest_tells_which(labelled):
    model, dataset = labelled
    config = PRESETS["smoke"]
    known = msgspec.structs.replace(model.manifest, training={"config": msgspec.to_builtins(config)})

    chosen, described = sample(known, dataset, 1500)
    _, held_out = split_training_images(config, dataset)

    assert described == "350 held-out training images"
    assert {image.tobytes() for image in chosen.images} == {image.tobytes() for image in held_out.images}
    assert sample(model.manifest, dataset, 1500)[1] == "1,500 training images"
    other = dataclasses.replace(dataset, checksums={})
    assert sample(known, other, 1500)[1] == "1,500 training images"


@pytest.mark.parametrize(("classes", "shape"), [(3, (96, 60, 3)), (100, (28, 28, 1))])
def test_other_sizes_colours_and_more_classes_are_drawn(classes, shape):
    rng = np.random.default_rng(0)
    labels = np.arange(2 * classes) % (classes - 1)  # the last class has no image
    names = [f"class {index}" for index in range(classes)]
    images = rng.integers(0, 256, (len(labels), *shape), np.uint8)
    points = rng.uniform(-1, 1, (len(labels), 2))

    frames = list(draw_embedding("points", (points, -points), ("from", "to"), labels, names, 2))
    drawn = [draw_sprite(images, labels, names), draw_class_balance({"train": labels, "test": labels[:3]}, names)]

    assert opened(render_gif(frames, [100, 100])).n_frames == 2
    assert all(max(opened(render_png(figure)).size) < 7000 for figure in drawn)
    assert len({style_of(index) for index in range(classes)}) == classes


def test_a_hostile_name_is_drawn_as_it_is_read():
    assert shown("a $\\frac$\nb") == r"a \$\frac\$ b"
    assert shown("x" * 30) == "x" * 23 + "…"


def test_an_artifact_for_images_of_another_size_is_refused(tiny_folder):
    with pytest.raises(TrainingError, match=r"Expected images of \(28, 28, 1\).* Received: \(12, 12, 1\).* --artifact"):
        load_labelled(BUNDLED_ARTIFACT, None, tiny_folder)


def test_a_folder_without_an_artifact_is_refused(tmp_path, tiny_folder):
    with pytest.raises(TrainingError, match=r"no readable manifest\.json.*; name an artifact's folder"):
        load_labelled(tmp_path, None, tiny_folder)
