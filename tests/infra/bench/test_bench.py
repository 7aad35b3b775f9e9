"""The benchmark measures what it says: whole objects, readable in each format, and programs that succeed."""

import io

import pytest

from handler.formats import decode
from handler.formats.image import Image
from handler.model import BUNDLED_ARTIFACT, directory_reader, load_model
from infra.bench.decoders import packed_formats
from infra.bench.function import score_stream
from infra.bench.measurement import Measurement
from infra.bench.parts import render_row
from infra.bench.processes import run_program
from infra.bench.samples import read_pngs, target
from infra.errors import InfraError


def test_each_format_holds_the_number_of_images_that_rates_are_computed_with():
    form = target(load_model(directory_reader(BUNDLED_ARTIFACT)).manifest)

    for label, contents, images in packed_formats(read_pngs()[:5]):
        decoded = [image for content in contents for image in decode(io.BytesIO(content), "object", form)]
        assert all(isinstance(image, Image) for image in decoded), label
        assert len(decoded) == images, label


def test_an_object_is_scored_out_of_a_file():
    score_stream(1_000)  # raises unless every image was scored


def test_the_scores_of_one_batch_may_stand_for_those_of_all():
    score_stream(2_000, at_once=True)


def test_a_row_states_the_median_with_its_quartiles_and_a_single_run_alone():
    assert render_row(Measurement("a", [1, 2, 3, 4, 1000], "ms")) == ("a", "3 ms", "2 to 502", "5")
    assert render_row(Measurement("b", [1234.5], "MiB")) == ("b", "1,234 MiB", "", "1")


def test_a_program_is_measured_without_the_user_s_own_settings(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "somebody")
    program = "import os; print('chatter'); print(len([name for name in os.environ if name == 'AWS_PROFILE']))"

    assert run_program(program) == 0


def test_a_program_that_fails_is_an_error_with_its_reason():
    with pytest.raises(InfraError, match="No module named 'nowhere'"):
        run_program("import nowhere")
