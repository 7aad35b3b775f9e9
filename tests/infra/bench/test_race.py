"""The function takes its turns in front of the stub, in a short run without the peers; no figure of it is a time here."""

import json
from pathlib import Path

import pytest

from handler.settings import DEFAULTS
from infra.bench.contenders import Contender, Stub, available, batch_size, environment, running
from infra.bench.race import FUNCTIONS, MODEL, Extent, keys_in_batches, package_bytes
from infra.bench.report import measure, require_same
from infra.bench.samples import single_key
from infra.errors import InfraError
from infra.paths import TEMPLATE

SHORT = Extent(turns=1, events=1, starts=1, packed_images=64, delays_ms=(0,))


@pytest.fixture(scope="module")
def stub():
    with Stub(packed_images=3) as stub:
        yield stub


@pytest.fixture(scope="module")
def results():
    return measure(SHORT, [Contender("nobody", "boto3", "infra.bench.nobody")], quick=True)


def test_a_short_run_measures_each_part_of_the_function(results):
    names = {series.name for series in results.series}

    for client in ("boto3", "obstore"):
        assert {
            f"function, {client}, 0 ms, rate",
            f"function, {client}, alone, processor time of an object",
            f"bare {client}, alone, processor time of an object",
            f"function, {client}, start to first document",
            f"function, {client}, peak memory of a cold invocation",
            f"function, {client}, packed images",
            f"function, {client}, log of 25 objects",
        } <= names
    assert all(len(series.values) == 1 and series.values[0] > 0 for series in results.series)


def test_who_cannot_take_part_is_left_out_with_the_reason(results):
    assert "No module named infra.bench.nobody" in results.skipped["nobody"]
    assert not [series for series in results.series if "nobody" in series.name]


def test_the_settings_are_the_defaults_and_the_template_s(results):
    assert results.settings == {
        "S3_CONCURRENCY": DEFAULTS["S3_CONCURRENCY"],
        "MODEL_BATCH_IMAGES": DEFAULTS["MODEL_BATCH_IMAGES"],
        "BatchSize": batch_size(),
    }
    assert f"BatchSize: {batch_size()}\n" in TEMPLATE.read_text()


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.client)
def test_a_turn_of_the_function_makes_one_get_and_one_put_for_each_object(stub, function):
    with running([function], stub.url) as [one]:
        stub.reset()
        one.take_turn([[single_key(60)]])  # the process looks at the marker, once in four minutes
        stub.reset()
        one.take_turn(keys_in_batches(2, 30))

    assert stub.calls() == {"GET": 60, "PUT": 60}
    assert json.loads(stub.document(single_key(59)))["input"]["key"] == single_key(59)


def test_the_bare_model_finds_no_probabilities_to_compare(stub):
    with pytest.raises(InfraError, match=r"with 200\. Received: 404"):
        require_same(stub, FUNCTIONS[0], MODEL)


def test_all_contenders_see_the_stub_and_nothing_of_the_user_s(stub, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "somebody")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")

    found = environment(stub.url, Contender("the function", "obstore", "anything"))

    assert (found["AWS_ENDPOINT_URL_S3"], found["S3_CLIENT"]) == (stub.url, "obstore")
    assert (Path(found["PYTHONPATH"]) / "numpy").is_dir()
    assert not {"AWS_PROFILE", "PYTHONDONTWRITEBYTECODE"} & found.keys()


def test_a_contender_that_is_not_installed_says_so(stub, tmp_path):
    able, reasons = available(stub, [Contender("a peer", "boto3", "anything", tmp_path / "python")], single_key(0))

    assert (able, list(reasons)) == ([], ["a peer"])
    assert "Received: 0; run `make bench`." in reasons["a peer"]


def test_a_contender_has_the_libraries_that_are_named_for_it(stub, tmp_path):
    found = environment(stub.url, Contender("the function", "boto3", "anything", libraries=tmp_path))

    assert found["PYTHONPATH"] == str(tmp_path)


def test_keys_are_all_different():
    batches = keys_in_batches(3, 25)

    assert [len(keys) for keys in batches] == [25, 25, 25]
    assert len({key for keys in batches for key in keys}) == 75


def test_a_package_that_was_not_built_has_no_size(tmp_path):
    (tmp_path / "a").write_bytes(b"123")

    assert (package_bytes(tmp_path), package_bytes(tmp_path / "none")) == (3, None)
