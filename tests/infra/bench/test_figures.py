"""Figures are made of medians of one run, say what they lack, and are rendered with their targets."""

import xml.etree.ElementTree as ET

import pytest

from infra.bench.figures import make_figures
from infra.bench.plots import draw
from infra.bench.report import make_times, write
from infra.bench.results import Figure, Machine, Results, Series, load_results, save_results
from infra.bench.tables import figure_row, render_page, series_row
from infra.errors import InfraError

CPU = "alone, processor time of an object"
MACHINE = Machine("a processor", 2, "3.13.0", {"numpy": "2.0"}, "2026-11-29", 0.25)
SERIES = (
    Series(f"function, boto3, {CPU}", "ms", (4.0, 9.0, 5.0)),
    Series(f"bare boto3, {CPU}", "ms", (3.0,)),
    Series(f"bare model, {CPU}", "ms", (0.5,)),
    Series("function, boto3, 30 ms, rate", "objects/s", (100.0, 200.0, 300.0)),
    Series("function, boto3, 30 ms, time of an object", "ms", (5.0,)),
    Series("function, obstore, 30 ms, time of an object", "ms", (2.5,)),
    Series("boto3 and LiteRT, 30 ms, rate", "objects/s", (160.0,)),
    Series("boto3 and Another, 30 ms, rate", "objects/s", (250.0,)),
    Series("function, boto3, start to first document", "ms", (300.0,)),
    Series("boto3 and LiteRT, start to first document", "ms", (400.0,)),
    Series("function, boto3, peak memory of a cold invocation", "MiB", (70.0,)),
    Series("function, boto3, time of a packed image", "ms", (0.75,)),
    Series("function, boto3, log of 100 objects", "bytes", (9000.0,)),
)
RESULTS = Results(
    machine=MACHINE,
    quick=False,
    settings={"BatchSize": 100},
    series=SERIES,
    figures=make_figures(SERIES, 120_000_000),
    skipped={"a peer": "it is not installed"},
)


def figure(name, series=SERIES, package_bytes=None):
    return next(each for each in make_figures(series, package_bytes) if each.name == name)


def test_quartiles_lie_among_the_values_and_one_value_is_its_own():
    assert Series("a", "ms", (1, 2, 3, 4, 5)).quartiles == (2, 4)
    assert Series("a", "ms", (7,)).quartiles == (7, 7)
    assert Series("a", "ms", (1, 9, 2)).median == 2


def test_client_and_model_are_taken_off_the_processor_time():
    found = figure("boto3: processor time of a small object, client and model taken off")

    assert (found.value, found.at_most, found.holds) == (1.5, 0.4, False)


def test_the_rate_is_compared_with_the_best_peer_of_the_same_client():
    found = figure("boto3: share of the best peer's rate at 30 ms")

    assert (found.value, found.at_least, found.holds) == (0.8, 0.9, False)


def test_a_start_is_compared_with_that_of_the_peer():
    found = figure("boto3: start to first document, by that of boto3 and LiteRT")

    assert (found.value, found.holds) == (0.75, True)


def test_a_figure_that_was_not_measured_names_what_it_lacks_and_neither_holds_nor_fails():
    found = figure("obstore: start to first document, by that of boto3 and LiteRT")

    assert (found.value, found.holds) == (None, None)
    assert found.missing == "not measured: function, obstore, start to first document"


def test_a_package_that_is_not_built_says_how_to_build_it():
    assert figure("package, unzipped").missing == "not built: run `make build`"
    assert figure("package, unzipped", package_bytes=121_500_000).value == 121.5


def test_a_figure_without_a_target_neither_holds_nor_fails():
    assert Figure("a", "ms", 1.0).holds is None


def test_rows_state_units_targets_and_spread():
    assert figure_row(Figure("a", "ms", 4.25, at_most=4.2)) == "| a | 4.25 ms | at most 4.2 | **no** |"
    assert figure_row(Figure("a", "", 0.934, at_least=0.93)) == "| a | 0.934 | at least 0.93 | yes |"
    assert series_row(Series("b", "objects/s", (1000, 1200, 1400))) == "| b | 1,200 objects/s | 1,100 to 1,300 | 3 |"
    assert series_row(Series("c", "ms", (0.5,))) == "| c | 0.5 ms |  | 1 |"


def test_the_page_tells_the_machine_each_figure_and_who_did_not_take_part():
    page = render_page(RESULTS)

    assert "2 cores of a processor, whose load was 0.25 before. Python 3.13.0, numpy 2.0. BatchSize=100." in page
    assert "\n- a peer: it is not installed\n" in page
    for each in RESULTS.figures:
        assert f"\n{figure_row(each)}\n" in page


def test_results_are_read_as_they_were_written(tmp_path):
    save_results(RESULTS, tmp_path / "results.json")

    assert load_results(tmp_path / "results.json") == RESULTS


def test_a_file_that_holds_no_results_is_refused(tmp_path):
    (tmp_path / "results.json").write_text('{"machine": 1}')

    with pytest.raises(InfraError, match=r"Expected results as `make bench` writes them"):
        load_results(tmp_path / "results.json")


def test_the_times_that_the_cost_is_computed_of_are_those_of_the_series():
    assert make_times(RESULTS) == {
        "lambda_ms_single_boto3": 5.0,
        "lambda_ms_single_obstore": 2.5,
        "lambda_ms_packed_image": 0.75,
        "log_bytes_object": 90.0,
        "machine": "2 cores of a processor",
        "measured": "2026-11-29",
    }


def test_pictures_are_drawn_of_the_series_there_are(tmp_path):
    drawn = draw(RESULTS, tmp_path)

    assert [path.name for path in drawn] == ["throughput.svg", "start.svg", "memory.svg"]
    assert all(ET.parse(path).getroot().tag.endswith("svg") for path in drawn)


def test_without_a_time_of_each_kind_none_is_written(tmp_path):
    write(Results(MACHINE, False, {"BatchSize": 100}, SERIES[:3], (), {}), tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.json", "results.md"]
