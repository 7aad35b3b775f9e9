"""The artifact that ships, whole and broken; a broken one must be refused before LiteRT sees it."""

import hashlib
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from handler.contract import (
    MANIFEST_FILE,
    MODEL_FILE,
    Conversion,
    Golden,
    ModelFile,
    PixelShape,
    Scores,
    golden_images,
    parse_manifest,
    render_manifest,
)
from handler.conversion import REVISIONS
from handler.errors import BadArtifact
from handler.model import BUNDLED_ARTIFACT, Classifier, directory_reader, load_model
from handler.predictions import Prediction, predict

CLOTHES_PHOTOS = Path(__file__).parents[2] / "training" / "shipped" / "clothes-photos"


@pytest.fixture(scope="module")
def files():
    return {name: (BUNDLED_ARTIFACT / name).read_bytes() for name in (MODEL_FILE, MANIFEST_FILE)}


@pytest.fixture(scope="module")
def bundled():
    return load_model(directory_reader(BUNDLED_ARTIFACT))


def reader(files):
    def read(name):
        if name not in files:
            raise FileNotFoundError(name)
        return files[name]

    return read


def changed(files, **changes):
    """The files with another manifest."""
    manifest = msgspec.structs.replace(parse_manifest(files[MANIFEST_FILE]), **changes)
    return reader(files | {MANIFEST_FILE: render_manifest(manifest)})


def resealed(files, content):
    """The files with another model, and a manifest that vouches for it."""
    manifest = parse_manifest(files[MANIFEST_FILE])
    model = msgspec.structs.replace(manifest.model, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
    sealed = render_manifest(msgspec.structs.replace(manifest, model=model))
    return reader({MODEL_FILE: content, MANIFEST_FILE: sealed})


def test_the_bundled_artifact_loads_and_scores_its_golden_batch(bundled):
    probabilities = bundled.classify(golden_images(bundled.manifest)).probabilities

    assert probabilities.dtype == np.float32
    assert np.allclose(probabilities, bundled.manifest.golden.probabilities, atol=1e-3)


def test_probabilities_sum_to_one_whatever_the_pixels(bundled):
    rng = np.random.default_rng(0)
    images = np.concatenate(
        [np.zeros((1, 28, 28, 1)), np.full((1, 28, 28, 1), 255), rng.integers(0, 256, (62, 28, 28, 1))]
    ).astype(np.uint8)

    probabilities = bundled.classify(images).probabilities

    assert np.isfinite(probabilities).all()
    assert (probabilities >= 0).all()
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-3)


def test_an_image_s_probabilities_do_not_depend_on_its_batch(bundled, sample_pixels):
    whole = bundled.classify(sample_pixels).probabilities

    for size in (1, 3, 7, 64):
        parts = [bundled.classify(sample_pixels[start : start + size]).probabilities for start in range(0, 100, size)]
        assert np.array_equal(np.concatenate(parts), whole)


def test_threads_that_share_a_model_get_what_each_would_alone(bundled, sample_pixels):
    batches = [sample_pixels[start : start + 1 + start % 5] for start in range(95)]
    alone = [bundled.classify(batch) for batch in batches]

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(bundled.classify, batches))

    pairs = zip(alone, together, strict=True)
    assert all(np.array_equal(one.probabilities, other.probabilities) for one, other in pairs)


class FailingOnce:
    """A graph that finds no memory for its tensors the first time."""

    def __init__(self, graph):
        self._graph = graph
        self._fails = True

    def __getattr__(self, name):
        return getattr(self._graph, name)

    def allocate_tensors(self):
        if self._fails:
            self._fails = False
            raise RuntimeError("no memory")
        self._graph.allocate_tensors()


@pytest.mark.parametrize("sizes", [(16, 1), (16, 16), (16, 3)])
def test_a_batch_without_memory_for_it_leaves_the_model_usable_for_batches_of_every_size(sizes, files, bundled, sample_pixels):
    classifier = Classifier(files[MODEL_FILE])
    classifier.classify(sample_pixels[:1])
    classifier._interpreter = FailingOnce(classifier._interpreter)
    failing, following = sizes
    with pytest.raises(RuntimeError, match="no memory"):
        classifier.classify(sample_pixels[:failing])

    found = classifier.classify(sample_pixels[:following]).probabilities
    assert np.array_equal(found, bundled.classify(sample_pixels[:following]).probabilities)


def test_a_model_with_one_bit_changed_anywhere_is_refused(files):
    rng = np.random.default_rng(1)
    for position in rng.integers(0, len(files[MODEL_FILE]), 200).tolist():
        content = bytearray(files[MODEL_FILE])
        content[position] ^= 1 << int(rng.integers(8))

        with pytest.raises(BadArtifact, match="sha256"):
            load_model(reader(files | {MODEL_FILE: bytes(content)}))


@pytest.mark.parametrize("missing", [MODEL_FILE, MANIFEST_FILE])
def test_an_artifact_that_lacks_a_file_is_refused(files, missing):
    with pytest.raises(BadArtifact, match=f"no readable {re.escape(missing)}"):
        load_model(reader({name: content for name, content in files.items() if name != missing}))


def test_a_model_of_another_size_is_refused(files):
    with pytest.raises(BadArtifact, match="bytes"):
        load_model(reader(files | {MODEL_FILE: files[MODEL_FILE] + b"\0"}))


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"schema": "coatcheck.artifact/2"}'])
def test_a_manifest_of_another_schema_is_refused(files, text):
    with pytest.raises(BadArtifact, match=r"coatcheck\.artifact/1"):
        load_model(reader(files | {MANIFEST_FILE: text}))


def test_other_classes_than_the_model_s_are_refused(files):
    with pytest.raises(BadArtifact, match="11 classes"):
        load_model(changed(files, classes=tuple("abcdefghijk")))


def test_another_input_than_the_model_s_is_refused(files):
    manifest = parse_manifest(files[MANIFEST_FILE])

    with pytest.raises(BadArtifact, match=r"input \(28, 28, 3\)"):
        load_model(changed(files, input=msgspec.structs.replace(manifest.input, channels=3)))


def test_an_artifact_without_a_revision_of_its_conversion_is_of_the_first_and_loads_as_before(files):
    text = files[MANIFEST_FILE]
    older = re.sub(rb',\s*"revision": \d+', b"", text, count=1)
    assert len(older) < len(text)

    assert load_model(reader(files | {MANIFEST_FILE: older})).manifest.conversion == Conversion(fit="fashion-mnist", revision=1)


def test_a_later_revision_of_a_conversion_than_the_function_knows_is_refused(files):
    later = REVISIONS["fashion-mnist"] + 1

    with pytest.raises(BadArtifact, match=f"conversion fashion-mnist of revision {later - 1} or earlier. Received: {later}"):
        load_model(changed(files, conversion=Conversion(fit="fashion-mnist", revision=later)))


def test_a_revision_that_is_no_natural_number_is_refused(files):
    text = re.sub(rb'"revision": \d+', b'"revision": 0', files[MANIFEST_FILE], count=1)

    with pytest.raises(BadArtifact, match="revision"):
        load_model(reader(files | {MANIFEST_FILE: text}))


def test_a_model_that_behaves_otherwise_is_refused(files):
    manifest = parse_manifest(files[MANIFEST_FILE])
    shifted = tuple(row[1:] + row[:1] for row in manifest.golden.probabilities)

    with pytest.raises(BadArtifact, match="golden batch"):
        load_model(changed(files, golden=msgspec.structs.replace(manifest.golden, probabilities=shifted)))


@pytest.mark.parametrize(("images", "rows"), [(b"", 0), (b"\0" * 784, 2), (b"\0" * 785, 1)])
def test_a_golden_batch_that_does_not_fit_is_refused(files, images, rows):
    golden = msgspec.structs.replace(parse_manifest(files[MANIFEST_FILE]).golden, images=images)
    golden = msgspec.structs.replace(golden, probabilities=golden.probabilities[:rows])

    with pytest.raises(BadArtifact, match="golden"):
        load_model(changed(files, golden=golden))


@pytest.mark.parametrize("damage", ["truncate", "magic"])
def test_a_corrupt_model_behind_a_right_digest_is_refused_and_crashes_nothing(files, damage, tmp_path):
    """In a process of its own: a crash of LiteRT's parser must not take the tests with it."""
    content = files[MODEL_FILE][: len(files[MODEL_FILE]) // 2] if damage == "truncate" else b"\x18\0\0\0TFL3"
    read = resealed(files, content)
    for name in (MODEL_FILE, MANIFEST_FILE):
        (tmp_path / name).write_bytes(read(name))
    program = (
        "import sys, pathlib; from handler.model import load_model, directory_reader; from handler.errors import BadArtifact\n"
        "try: load_model(directory_reader(pathlib.Path(sys.argv[1])))\n"
        "except BadArtifact: print('refused')"
    )

    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.strip()) == (0, "refused")


@pytest.mark.parametrize("rows", [0, 2])
def test_an_empty_golden_batch_is_refused_whatever_is_expected_of_it(files, rows):
    golden = parse_manifest(files[MANIFEST_FILE]).golden
    empty = msgspec.structs.replace(golden, images=b"", probabilities=golden.probabilities[:rows])

    with pytest.raises(BadArtifact, match="at least one image"):
        load_model(changed(files, golden=empty))


def test_a_model_that_answers_its_golden_batch_with_no_number_is_refused(files):
    """NaN is unequal to everything, so a comparison that asks for too large a difference would let it pass."""
    interpreter = Interpreter(model_content=files[MODEL_FILE])
    content, nan = bytearray(files[MODEL_FILE]), np.full(11, np.nan, np.float32).tobytes()
    places = set()
    for details in interpreter.get_tensor_details():
        if details["dtype"] is np.float32 and tuple(details["shape"]) == (11,):  # of the classes, and of none of them
            places.add(files[MODEL_FILE].find(interpreter.get_tensor(details["index"]).tobytes()))
    for place in places - {-1}:
        content[place : place + len(nan)] = nan
    probabilities = Classifier(bytes(content)).classify(np.zeros((1, 28, 28, 1), np.uint8)).probabilities

    assert np.isnan(probabilities).any()
    with pytest.raises(BadArtifact, match="golden batch's probabilities"):
        load_model(resealed(files, bytes(content)))


def test_the_bundled_model_tells_how_familiar_its_golden_images_are(bundled):
    familiarity = bundled.classify(golden_images(bundled.manifest)).familiarity

    assert familiarity == pytest.approx(bundled.manifest.golden.familiarity, abs=0.05)
    assert (familiarity >= bundled.manifest.unfamiliar_below).all()


@pytest.fixture(scope="module")
def knowing():
    """The files of an artifact whose familiarity is the mean of the pixels, and whose golden batch is black and white."""
    return make_small(familiarity=(0.0, 255.0))


@pytest.fixture(scope="module")
def ignorant():
    """The files of the same artifact without a familiarity."""
    return make_small(familiarity=None)


def test_a_model_without_a_familiarity_tells_none(ignorant):
    model = load_model(reader(ignorant))

    assert model.classify(golden_images(model.manifest)).familiarity is None


def test_a_manifest_that_tells_of_a_familiarity_needs_a_model_with_one(ignorant):
    golden = msgspec.structs.replace(parse_manifest(ignorant[MANIFEST_FILE]).golden, familiarity=(0.0, 255.0))

    for change in ({"unfamiliar_below": 0.5}, {"golden": golden}):
        with pytest.raises(BadArtifact, match=r"an output familiarity, of which the manifest tells\. Received: none"):
            load_model(changed(ignorant, **change))


def test_a_model_that_takes_other_numbers_than_bytes_is_refused():
    with pytest.raises(BadArtifact, match="uint8 in and float32 out"):
        load_model(reader(make_small(familiarity=None, pixels="float32")))


ENDS = {
    "logits": ("linear", (-3.0, 7.0)),
    "negative": ("linear", (-0.25, 1.25)),
    "sigmoid": ("sigmoid", (0.0, 1.0)),
    "relu": ("relu", (0.0, 0.25)),
    "too small": ("linear", (0.25, 0.65)),
    "too large": ("linear", (0.5, 0.6)),
}


@pytest.mark.parametrize("familiarity", [None, (0.0, 255.0)])
@pytest.mark.parametrize("end", ENDS)
def test_a_model_that_gives_no_probabilities_is_refused_though_its_golden_batch_agrees(end, familiarity):
    activation, biases = ENDS[end]
    with pytest.raises(BadArtifact, match=r"sum to 1 for each image\. Received: .* adopt`, which adds a softmax"):
        load_model(reader(make_small(familiarity=familiarity, activation=activation, biases=biases)))


@pytest.mark.parametrize(
    ("activation", "biases"),
    [("softmax", (-3.0, 7.0)), ("softmax", (-90.0, 90.0)), ("linear", (0.25, 0.72)), ("linear", (0.0, 1.0))],
)
def test_probabilities_may_sum_to_somewhat_less_than_1_as_those_of_eight_bits_do(activation, biases):
    model = load_model(reader(make_small(familiarity=None, activation=activation, biases=biases)))

    probabilities = model.classify(golden_images(model.manifest)).probabilities
    rows = list(predict(["a", "b"], Scores(probabilities, None), model.manifest))
    assert msgspec.json.decode(msgspec.json.encode(rows), type=list[Prediction]) == rows


def test_every_artifact_that_ships_loads():
    for folder in (BUNDLED_ARTIFACT, CLOTHES_PHOTOS):
        assert load_model(directory_reader(folder)).manifest.classes


def make_small(*, familiarity, pixels="uint8", activation="softmax", biases=(0.0, 0.0)):
    import keras

    from training.export.litert import quantise

    pixels = keras.Input((4, 4, 1), dtype=pixels)
    values = keras.layers.Flatten()(keras.layers.Rescaling(1.0)(pixels))
    dense = keras.layers.Dense(2, kernel_initializer="zeros")
    outputs = {"probabilities": keras.layers.Activation(activation)(dense(values))}
    dense.bias.assign(biases)
    if familiarity:
        outputs["familiarity"] = keras.ops.mean(values, axis=1)
    content = quantise(keras.Model(pixels, outputs), "none")
    golden = np.concatenate([np.zeros((1, 4, 4, 1), np.uint8), np.full((1, 4, 4, 1), 255, np.uint8)])
    said = ((0.5, 0.5), (0.5, 0.5))
    if pixels.dtype == "uint8":
        said = tuple(map(tuple, Classifier(content).classify(golden).probabilities.tolist()))
    manifest = msgspec.structs.replace(
        parse_manifest((BUNDLED_ARTIFACT / MANIFEST_FILE).read_bytes()),
        classes=("a", "b"),
        unsure_below=None,
        unfamiliar_below=10.0 if familiarity else None,
        input=PixelShape(4, 4, 1),
        model=ModelFile(hashlib.sha256(content).hexdigest(), len(content), "none"),
        golden=Golden(golden.tobytes(), said, familiarity),
    )
    return {MODEL_FILE: content, MANIFEST_FILE: render_manifest(manifest)}


def test_a_golden_familiarity_is_verified(knowing):
    assert load_model(reader(knowing)).manifest.golden.familiarity == (0.0, 255.0)

    for familiarity, expected in (((255.0, 0.0), "familiarity within"), ((0.0,), "2 golden familiarities")):
        golden = msgspec.structs.replace(parse_manifest(knowing[MANIFEST_FILE]).golden, familiarity=familiarity)
        with pytest.raises(BadArtifact, match=expected):
            load_model(changed(knowing, golden=golden))


def test_a_classifier_of_nonsense_is_refused():
    with pytest.raises(BadArtifact, match="LiteRT model"):
        Classifier(b"nonsense")


@pytest.mark.parametrize(
    ("manifest", "reason"), [(b"{}", "missing required field"), (b"[]", "Expected `object`, got `array`"), (b"{", "truncated")]
)
def test_a_manifest_that_is_none_is_refused_with_the_reason(manifest, reason):
    with pytest.raises(ValueError, match=reason):
        parse_manifest(manifest)
