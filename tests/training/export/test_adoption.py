"""Somebody else's Keras classifier becomes an artifact that the function serves as it is, or is refused with what to change."""

import hashlib
import io
import json
import zipfile

import keras
import numpy as np
import PIL.Image
import pytest
from keras import layers, ops
from scipy.special import softmax

from handler.app import build_parts, lambda_handler
from handler.contract import Conversion, PixelShape, golden_images
from handler.conversion import convert
from infra.cloud.event_source import Context
from training.artifact import score
from training.errors import ExportError
from training.export.adoption import adopt, generate_images, with_pixels
from training.export.keras_file import find_end, load_keras, require_images
from training.export.network import predict

CLASSES = ("red", "green", "blue")
SHAPE = (96, 96, 3)
BUCKET = "coatcheck-input-123456789012"


def by_colour(activation):
    """A classifier whose weights are set: what is reddest is red, and a convolution disturbs it a little."""
    keras.utils.set_random_seed(0)
    images = keras.Input(SHAPE, name="photo")
    pixels = layers.Rescaling(1 / 255)(images)
    features = layers.Conv2D(64, 3, strides=4, activation="relu")(layers.RandomFlip()(pixels))
    means = [layers.GlobalAveragePooling2D()(x) for x in (pixels, features)]
    end = layers.Dense(3, activation=activation)
    model = keras.Model(images, end(layers.Concatenate()(means)))
    end.set_weights([np.concatenate([60 * np.eye(3), np.random.default_rng(0).normal(0, 0.1, (64, 3))]), np.zeros(3)])
    return model


def saved(model, folder):
    path = folder / "colours.keras"
    model.save(path)
    return path


def photo(label, seed, size=(120, 80)):
    """A noisy picture, mostly of the colour of its label."""
    rng = np.random.default_rng((seed, label, 7))
    colour = rng.normal(100, 20, 3) + 25 * np.eye(3)[label]
    noise = rng.normal(0, 30, (size[1], size[0], 3))
    return PIL.Image.fromarray((colour + noise).clip(0, 255).astype(np.uint8))


def png(picture):
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of twenty photos of each colour."""
    folder = tmp_path_factory.mktemp("photos")
    for label, name in enumerate(CLASSES):
        (folder / name).mkdir()
        for seed in range(20):
            (folder / name / f"{seed:02}.png").write_bytes(png(photo(label, seed)))
    return folder


def export(model, folder, calibrate=None, classes=CLASSES, pixels="0..255"):
    path = saved(model, folder)
    return adopt(path, classes, calibrate, folder / "artifact", pixels=pixels, name=None, version="2.0.0")


@pytest.fixture
def invoke(aws):
    build_parts.cache_clear()
    yield lambda event: lambda_handler(event, Context(aws_request_id="request-1"))
    build_parts.cache_clear()


@pytest.fixture(scope="module", params=["softmax", None])
def calibrated(request, photos, tmp_path_factory):
    """The model, the artifact, and its folder; the model ends in a softmax, and then in logits."""
    folder, model = tmp_path_factory.mktemp("calibrated"), by_colour(request.param)
    return model, export(model, folder, photos), folder / "artifact"


def test_the_function_serves_it_with_no_change_of_code(calibrated, monkeypatch, invoke, upload, stored):
    model, served, artifact = calibrated
    monkeypatch.setenv("MODEL_URI", str(artifact))
    picture = PIL.Image.new("RGB", (120, 80), (95, 100, 110))
    upload("uploads/sky.png", png(picture))

    answer = invoke({"objects": [f"s3://{BUCKET}/uploads/sky.png"]})

    assert answer["outcomes"]["scored"] == 1
    document = json.loads(stored()["predictions/uploads/sky.png.json"])
    (prediction,) = document["predictions"]
    pixels = convert(picture, PixelShape(*SHAPE), Conversion())[None]
    assert (document["model"]["name"], document["model"]["version"]) == ("colours", "2.0.0")
    assert prediction["class_name"] == "blue"
    assert prediction["probabilities"] == pytest.approx(expected_of(model, pixels, served.manifest.temperature)[0], abs=0.01)
    assert "unsure" not in prediction  # there are far too few images for a threshold


def expected_of(model, images, temperature):
    """What Keras and SciPy make of it."""
    outputs = model.predict(images.astype(np.float32), verbose=0)
    logits = np.log(outputs) if model.layers[-1].activation is keras.activations.softmax else outputs
    return softmax(logits / temperature, axis=1)


def test_calibration_images_give_the_temperature_the_threshold_and_the_figures(calibrated, photos):
    model, served, _ = calibrated
    manifest = served.manifest

    images = generate_images(PixelShape(*SHAPE))
    assert score(served, images).probabilities == pytest.approx(expected_of(model, images, manifest.temperature), abs=0.01)
    assert manifest.temperature > 1.2  # the weights were set to be too sure
    assert manifest.metrics.negative_log_likelihood < manifest.metrics_before_scaling.negative_log_likelihood
    assert manifest.metrics.images == 30
    assert 0.5 < manifest.metrics.accuracy < 1
    assert manifest.agreement_with_float >= 0.96
    assert (manifest.unsure_below, manifest.sure.images, manifest.sure.needed) == (None, 30, 104)
    assert manifest.dataset["name"] == f"unverified: {photos.name}"
    assert (manifest.dataset["held_out_images"], manifest.dataset["test_images"]) == (30, 30)
    assert golden_images(manifest).shape == (3, *SHAPE)


def test_the_manifest_names_the_file_it_was_made_of(calibrated):
    model, served, artifact = calibrated
    training = served.manifest.training

    assert training["file"] == "colours.keras"
    assert training["sha256"] == hashlib.sha256((artifact.parent / "colours.keras").read_bytes()).hexdigest()
    assert training["keras_version"] == keras.__version__
    assert training["parameters"] == model.count_params()
    assert training["pixels"] == "0..255"
    assert training["end"] == ("softmax" if model.layers[-1].activation is keras.activations.softmax else "logits")
    assert served.manifest.model.quantisation == "dynamic-range"


def test_pixels_are_brought_to_the_range_that_the_model_expects():
    images = generate_images(PixelShape(9, 7, 1))
    model = image_model(layers.Flatten(), (9, 7, 1))

    for pixels, expected in (("0..255", images), ("0..1", images / 255), ("-1..1", images / 127.5 - 1)):
        assert predict(with_pixels(model, pixels), images) == pytest.approx(expected.reshape(8, 63), abs=1e-4)


def test_a_range_that_fits_far_better_is_pointed_out(tmp_path, photos, caplog):
    images = keras.Input(SHAPE)
    saturating = layers.Activation("tanh")(layers.GlobalAveragePooling2D()(images))  # tells colours apart below 1 alone
    end = layers.Dense(3)
    model = keras.Model(images, end(saturating))
    end.set_weights([20 * np.eye(3), np.zeros(3)])

    export(model, tmp_path, photos, pixels="0..255")
    assert "with --pixels 0..1" in caplog.text
    assert "with 0..255 only 33.3%" in caplog.text
    assert "rests on 30 images alone" in caplog.text


@pytest.fixture(scope="module")
def colour_cards(tmp_path_factory):
    """A folder of twenty pictures of each colour that nobody can mistake."""
    folder = tmp_path_factory.mktemp("cards")
    for label, name in enumerate(CLASSES):
        (folder / name).mkdir()
        for seed in range(20):
            colour = [100 + seed] * 3
            colour[label] = 200
            (folder / name / f"{seed:02}.png").write_bytes(png(PIL.Image.new("RGB", (16, 16), tuple(colour))))
    return folder


def by_brightest_channel(shown):
    """A classifier whose outputs are the channels `shown`."""
    images = keras.Input(SHAPE)
    end = layers.Dense(3)
    model = keras.Model(images, end(layers.GlobalAveragePooling2D()(images)))
    end.set_weights([np.eye(3)[:, shown], np.zeros(3)])
    return model


@pytest.mark.parametrize(
    ("shown", "classes", "expected"),
    [
        ((0, 1, 2), ("red", "blue", "green"), "would be with the order red, green, blue; if"),
        ((2, 1, 0), CLASSES, "would be with the order blue, green, red, which is the alphabetical one of folders; if"),
        ((0, 0, 0), CLASSES, "and naming the most frequent class each time would have 33% right"),
        ((0, 1, 2), CLASSES, None),
        ((1, 2, 0), ("green", "blue", "red"), None),
    ],
)
def test_classes_in_another_order_than_the_outputs_are_pointed_out(shown, classes, expected, tmp_path, colour_cards, caplog):
    export(by_brightest_channel(shown), tmp_path, colour_cards, classes)

    orders = [text for text in caplog.messages if "wrong order" in text]
    guesses = [text for text in caplog.messages if "better than chance" in text]
    assert [expected in text for text in orders or guesses] == ([True] if expected else [])
    assert len(guesses) == (1 if expected else 0)  # in a wrong order, the model is no better than chance either


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (lambda x: {"scores": layers.Dense(3)(layers.Flatten()(x["image"]))}, {"image": (9, 7, 1)}),
        (lambda x: [layers.Dense(3)(layers.Flatten()(x[0]))], [(9, 7, 1)]),
        (lambda x: ops.softmax(layers.Dense(3)(layers.Flatten()(x))), (9, 7, 1)),
    ],
    ids=["named", "listed", "ending in an operation"],
)
def test_any_way_of_building_a_model_will_do(build, shape, tmp_path):
    inputs = keras.tree.map_shape_structure(lambda sides: keras.Input(sides, name="image"), shape)
    model = keras.Model(inputs, build(inputs))

    loaded = load_keras(saved(model, tmp_path))

    images = generate_images(require_images(loaded))
    (expected,) = keras.tree.flatten(model.predict(keras.tree.pack_sequence_as(inputs, [images]), verbose=0))
    assert images.shape == (8, 9, 7, 1)
    assert predict(with_pixels(loaded, "0..255"), images) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_without_images_nothing_is_claimed(tmp_path):
    """Of a model that takes integers, and was built in sequence."""
    model = keras.Sequential([keras.Input((8, 8, 3), dtype="uint8"), layers.Flatten(), layers.Dense(3), layers.Softmax()])

    manifest = export(model, tmp_path).manifest

    assert (manifest.temperature, manifest.unsure_below, manifest.metrics) == (1.0, None, None)
    assert manifest.metrics_by_class == ()
    assert manifest.dataset == {"name": "unknown"}
    assert manifest.conversion == Conversion()
    assert manifest.training["end"] == "softmax"
    assert np.array_equal(golden_images(manifest), generate_images(PixelShape(8, 8, 3)))
    with pytest.raises(ExportError, match=r"0\.\.255, since the model takes uint8. Received: --pixels 0\.\.1"):
        export(model, tmp_path, pixels="0..1")


OUTPUTS = np.array([[0.2, 0.3, 0.5], [0.9, 0.1, 0.0]])


@pytest.mark.parametrize(
    ("end", "outputs", "expected"),
    [
        (layers.Dense(3, activation="softmax"), OUTPUTS, "softmax"),
        (layers.Dense(3), OUTPUTS, "logits"),  # by chance like probabilities
        (layers.Dropout(0.5), OUTPUTS, "softmax"),
        (layers.Dropout(0.5), OUTPUTS * 2, "logits"),
        (layers.Dropout(0.5), np.log(OUTPUTS + 0.01), "logits"),
        (keras.Sequential([layers.Dense(3), layers.Activation("softmax")]), OUTPUTS, "softmax"),
    ],
)
def test_the_end_is_told_by_the_last_layer_or_else_by_the_outputs(end, outputs, expected):
    inputs = keras.Input((3,))

    assert find_end(keras.Model(inputs, end(inputs)), outputs) == expected


def image_model(build, shape=(8, 8, 3)):
    images = keras.Input(shape)
    return keras.Model(images, build(images))


def flat(end):
    return lambda images: end(layers.Flatten()(images))


@keras.saving.register_keras_serializable("theirs")
class Doubled(layers.Layer):
    def call(self, x):
        return 2 * x


@keras.saving.register_keras_serializable("theirs")
def doubled(x):
    return 2 * x


@pytest.fixture
def _others_code_is_unknown():
    known = keras.saving.get_custom_objects()
    ours = {name: known.pop(name) for name in [*known] if name.startswith("theirs>")}
    yield
    known.update(ours)


@pytest.mark.usefixtures("_others_code_is_unknown")
@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (
            lambda: image_model(flat(lambda x: layers.Dense(3)(layers.Lambda(lambda y: y / 255, name="scale")(x)))),
            r"Keras's own layers.* Lambda scale. Replace",
        ),
        (lambda: image_model(flat(lambda x: layers.Dense(3)(Doubled()(x)))), r"Keras's own layers.* custom Doubled. Replace"),
        (lambda: image_model(flat(layers.Dense(3, activation=doubled))), r"Keras's own layers.* custom .*doubled. Replace"),
        (
            lambda: keras.Model(
                inputs := [keras.Input((8, 8, 3)), keras.Input((4,))],
                layers.Dense(3)(layers.Concatenate()([layers.Flatten()(inputs[0]), inputs[1]])),
            ),
            r"one input \(n, height, width, channels\).* Received: \(n, 8, 8, 3\) and \(n, 4\)",
        ),
        (
            lambda: image_model(lambda x: [layers.Dense(3)(layers.Flatten()(x)), layers.Flatten()(x)]),
            r"one output \(n, 3\).* Received: \(n, 3\) and \(n, 192\)",
        ),
        (lambda: image_model(layers.Dense(3), (64,)), r"Received: \(n, 64\)"),
        (lambda: image_model(flat(layers.Dense(3)), (3, 8, 8)), r"channels last. Received: \(n, 3, 8, 8\)"),
        (lambda: image_model(flat(layers.Dense(3)), (8, 8, 4)), r"1 or 3 channels last. Received: \(n, 8, 8, 4\)"),
        (
            lambda: image_model(lambda x: layers.Dense(3)(layers.GlobalMaxPooling2D()(x)), (None, None, 3)),
            r"of a fixed size.* Received: \(n, None, None, 3\)",
        ),
        (lambda: image_model(flat(layers.Dense(4))), r"each of the classes red, green, blue. Received: \(n, 4\)"),
        (lambda: image_model(layers.Dense(3)), r"one output \(n, 3\).* Received: \(n, 8, 8, 3\)"),
        (lambda: image_model(flat(layers.Dense(3, activation="sigmoid"))), "as a sigmoid gives them"),
        (lambda: image_model(flat(lambda x: ops.sigmoid(layers.Dense(3)(x)))), "as a sigmoid gives them"),
        (lambda: image_model(flat(layers.Dense(3, bias_initializer=keras.initializers.Constant(np.nan)))), "finite outputs"),
        (
            lambda: image_model(flat(lambda x: layers.Dense(3)(ops.erfinv(layers.Dense(2)(x / 1e6))))),
            "LiteRT has built in. Received: Erfinv. Replace",
        ),
        (
            lambda: image_model(flat(lambda x: layers.Dense(3)(x - ops.mean(x, axis=0, keepdims=True)))),
            "to depend on it alone. Received: others when it is scored in a batch",
        ),
    ],
)
def test_what_cannot_be_served_is_refused_with_what_to_change(build, expected, tmp_path):
    with pytest.raises(ExportError, match=expected):
        export(build(), tmp_path)
    assert not (tmp_path / "artifact").exists()


def test_a_model_of_mixed_precision_is_told_to_be_float32(tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = image_model(lambda x: layers.Dense(3)(layers.GlobalMaxPooling2D()(layers.Conv2D(4, 3)(x))))
    finally:
        keras.config.set_dtype_policy("float32")

    with pytest.raises(ExportError, match=r"Received: .*Conv2D.*build a model of mixed precision anew in float32"):
        export(model, tmp_path)


def zipped(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "."), content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\x89HDF\r\n\x1a\n", r"Expected a .keras file.*model.save\('my.keras'\)"),
        (None, r"Expected a .keras file.*No such file"),
        (zipped(weights_bin=b""), r"Expected a .keras file.*config.json"),
        (zipped(config_json=b"[1"), "Expected a .keras file"),
        (zipped(config_json=b'{"class_name": "Functional", "config": {}}', metadata_json=b"{}"), "custom Functional"),
        (
            zipped(config_json=b'{"module": "keras", "class_name": "Functional", "config": {}}', metadata_json=b"{}"),
            f"a model that Keras {keras.__version__} can load",
        ),
    ],
)
def test_a_file_that_is_no_model_is_refused(content, expected, tmp_path):
    path = tmp_path / "my.keras"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ExportError, match=expected):
        adopt(path, CLASSES, None, tmp_path / "artifact", pixels="0..255", name=None, version="1.0.0")


def test_weights_stay_float_where_quantised_ones_would_let_images_disturb_each_other(tmp_path, caplog):
    """What is quantised together here is a row of all images, not an image."""
    keras.utils.set_random_seed(0)

    def across(images):
        rows = layers.Conv2D(64, (1, 3))(layers.Conv2D(64, (1, 3))(ops.transpose(images, (1, 0, 2, 3))))
        return layers.Dense(3)(layers.Flatten()(ops.transpose(rows, (1, 0, 2, 3))))

    served = export(image_model(across, (16, 16, 3)), tmp_path)

    assert served.manifest.model.quantisation == "none"
    assert "depend on the other images in its batch" in caplog.text
