"""The command line, from a folder of one's own images to an artifact that the handler serves."""

import csv

import keras
import numpy as np
import PIL.Image
import pytest

from handler.contract import golden_images
from handler.conversion import convert
from handler.model import directory_reader, load_model
from training.data.folders import load_folders


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    """A folder of twenty small pictures of each of three colours."""
    folder = tmp_path_factory.mktemp("colours")
    for label, name in enumerate(("red", "green", "blue")):
        (folder / name).mkdir()
        for number in range(20):
            pixels = np.random.default_rng((label, number)).integers(0, 80, (12, 16, 3), np.uint8)
            pixels[..., label] += 90
            PIL.Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def test_folders_of_images_end_in_an_artifact(colours, tmp_path, here):
    done = here(
        *("fit", "--preset", "smoke", "--images", colours, "--size", "12", "--learning-rate", "0.01"),
        *("--out", tmp_path / "artifact", "--work", tmp_path / "work"),
    )
    other_size = here("export", "--run", tmp_path / "work" / "smoke-0", "--images", colours, "--out", tmp_path / "again")

    assert done.returncode == 0, done.stderr
    manifest = load_model(directory_reader(tmp_path / "artifact")).manifest
    assert (manifest.name, manifest.classes) == (colours.name, ("blue", "green", "red"))
    assert manifest.input.as_tuple == (12, 12, 3)
    assert manifest.dataset == {
        "name": f"unverified: {colours.name}",
        "train_images": 46,
        "held_out_images": 5,
        "test_images": 9,
        "md5_of_content": load_folders(colours, 12).checksums,
    }
    assert "60 images of 3 classes are brought to 12x12x3" in done.stderr
    assert "rests on 5 images alone" in done.stderr
    assert other_size.returncode == 1
    assert "error: Expected images of (12, 12, 3), as in the run. Received: (16, 16, 3). Pass --size 12." in other_size.stderr


@pytest.mark.slow
def test_photos_end_in_an_artifact_that_starts_from_a_backbone(colours, tmp_path, here):
    done = here("fit", "--images", colours, "--size", "64", "--backbone", "efficientnet-lite0", "--out", tmp_path / "artifact")

    assert done.returncode == 0, done.stderr
    model = load_model(directory_reader(tmp_path / "artifact"))
    manifest = model.manifest
    assert (manifest.name, manifest.classes) == (colours.name, ("blue", "green", "red"))
    assert (manifest.input.as_tuple, manifest.model.quantisation) == ((64, 64, 3), "float16")
    assert manifest.metrics.accuracy > 0.8
    assert (manifest.training["backbone"], manifest.training["tuned_from"]) == ("efficientnet-lite0", "block10-widen")
    assert (manifest.sure.images, manifest.unsure_below) == (51, None)
    assert model.classify(golden_images(manifest)).familiarity == pytest.approx(manifest.golden.familiarity, abs=0.01)
    assert "looking at 51 photos in 8 views, about" in done.stderr
    drawn = np.zeros((1, 64, 64, 3), np.uint8)
    drawn[:, 20:44, 28:36] = 255
    assert model.classify(drawn).familiarity < min(manifest.golden.familiarity)
    assert "right where they were not learnt from" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--backbone", "efficientnet-lite0", "--resume"), "Expected --backbone none with --resume"),
        (("--backbone", "efficientnet-lite0", "--epochs", "3", "--seed", "1"), "with --seed, --epochs"),
        (("--backbone", "efficientnet-lite0"), "Expected --out"),
        ((), "Expected --out"),
        (("--backbone", "none", "--frozen"), "Expected --frozen together with"),
        (("--seed", "1", "--frozen"), "Expected --frozen together with"),
        (("--backbone", "resnet"), "'resnet' is not one of"),
    ],
)
def test_options_of_a_start_that_do_not_belong_together_are_refused(options, message, colours, here):
    done = here("fit", "--images", colours, *options)

    assert done.returncode == 2
    assert message in " ".join(done.stderr.replace("│", "").split())


def test_a_backbone_needs_images_and_images_no_other_source(colours, tmp_path, here):
    without = here("fit", "--backbone", "efficientnet-lite0", "--out", tmp_path)
    both = here("fit", "--images", colours, "--data-dir", tmp_path, "--out", tmp_path)

    assert (without.returncode, both.returncode) == (2, 1)
    assert "Expected --images with a backbone" in " ".join(without.stderr.replace("│", "").split())
    assert both.stderr == "error: Expected --images alone. Received: also --data-dir. Folders name their classes.\n"


def test_every_backbone_can_be_named_and_nothing_else():
    from training.options import Start
    from training.transfer.backbones import Backbone

    assert [start.value for start in Start] == ["auto", "none", *Backbone]


def picture_of(label, *seed):
    """A small picture of one of three colours."""
    pixels = np.random.default_rng((label, *seed)).integers(0, 80, (12, 16, 3), np.uint8)
    pixels[..., label] += 90
    return pixels


@pytest.mark.slow
def test_corrections_of_what_was_unsure_or_wrong_make_a_better_model(tmp_path, here):
    """Most red pictures lie among the blue ones. Whoever corrects what the model shows as unsure or wrong gets them right."""
    names, folder = ("blue", "green", "red"), tmp_path / "photos"
    colours = ((2, "blue"), (1, "green"), (0, "red"))
    truth = {}
    for label, name in colours:
        for number in range(24):
            lies_in = "blue" if name == "red" and number < 17 else name
            path = folder / lies_in / f"{name}-{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(picture_of(label, number)).save(path)
            truth[path] = name
    unseen = [(name, picture_of(label, 1, number)) for label, name in colours for number in range(40)]

    def fitted_model(*options):
        out = tmp_path / f"artifact-{len(options)}"
        work, source = tmp_path / f"work-{len(options)}", ("--images", folder, "--size", "12", *options)
        fit = here("fit", "--preset", "smoke", *source, "--learning-rate", "0.02", "--epochs", "12", "--work", work)
        export = here("export", "--run", work / "smoke-0", *source, "--out", out)
        assert (fit.returncode, export.returncode) == (0, 0), fit.stderr + export.stderr
        return load_model(directory_reader(out))

    def predict(model, pixels):
        image = convert(PIL.Image.fromarray(pixels), model.manifest.input, model.manifest.conversion)
        (row,) = model.classify(image[None]).probabilities
        return names[row.argmax()], float(row.max())

    def share_right(model):
        return np.mean([predict(model, pixels)[0] == name for name, pixels in unseen])

    first = fitted_model()
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("object", "image", "class_name"))
        for path, name in truth.items():
            predicted, confidence = predict(first, np.asarray(PIL.Image.open(path)))
            if predicted != name or confidence < (first.manifest.unsure_below or 0.99):
                writer.writerow((f"photos/{path.relative_to(folder)}", path.name, name))
    second = fitted_model("--labels", tmp_path / "labels.csv")

    assert first.manifest.classes == second.manifest.classes == names
    before, after = share_right(first), share_right(second)
    assert after - before > 4 * (before * (1 - before) / len(unseen)) ** 0.5  # four standard errors


def test_any_keras_classifier_becomes_an_artifact(colours, tmp_path, here):
    images = keras.Input((8, 8, 3))
    end = keras.layers.Dense(3, activation="softmax")
    model = keras.Model(images, end(keras.layers.GlobalAveragePooling2D()(images)))
    end.set_weights([10 * np.eye(3), np.zeros(3)])
    model.save(tmp_path / "my.keras")
    (tmp_path / "classes.txt").write_text("red\ngreen\nblue\n")

    done = here(
        *("adopt", tmp_path / "my.keras", "--classes", tmp_path / "classes.txt", "--calibrate", colours),
        *("--pixels", "-1..1", "--name", "colours", "--version", "3", "--out", tmp_path / "artifact"),
    )

    assert done.returncode == 0, done.stderr
    assert "100.00% of 30 images" in done.stdout
    assert "--pixels" not in done.stderr  # no other range would do better
    manifest = load_model(directory_reader(tmp_path / "artifact")).manifest
    assert (manifest.name, manifest.version, manifest.classes) == ("colours", "3", ("red", "green", "blue"))
    assert manifest.training["pixels"] == "-1..1"
