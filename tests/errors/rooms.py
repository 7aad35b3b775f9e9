"""The places in infra/ and training/ that make an error which a user sees, and those that no provocation reaches.

A place is named by its file and its function. `ELSEWHERE` names the test that causes an error for which TensorFlow, a second
emulator or a cluster must run; `UNREACHABLE` says why nobody can cause an error.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.errors.places import Place, called, within

ROOT = Path(__file__).parents[2]

# The classes whose errors a room shows to users, besides those that derive from them.
BASES = {"infra": {"InfraError", "BadEntry", "BadRequest"}, "training": {"TrainingError", "BadParameter"}}

ELSEWHERE = {
    "infra": {
        "infra/bench/processes.py::run_program": (
            "tests/infra/bench/test_bench.py",
            "test_a_program_that_fails_is_an_error_with_its_reason",
        ),
        "infra/bench/stub/wire.py::_next": ("tests/infra/bench/test_stub.py", "test_headers_without_an_end_are_refused"),
        "infra/bench/stub/wire.py::parse_head": (
            "tests/infra/bench/test_stub.py",
            "test_what_is_no_request_of_told_length_is_refused",
        ),
        "infra/cloud/ministack.py::serve": (
            "tests/infra/cloud/test_ministack.py",
            "test_a_start_that_fails_is_told_with_what_was_printed",
        ),
        "infra/cloud/quoting.py::require_quoted": (
            "tests/infra/cloud/test_first_day.py",
            "test_a_line_that_was_not_printed_there_is_named",
        ),
        "infra/cloud/samples.py::judge": ("tests/infra/cloud/test_rehearsal.py", "test_a_wrong_class_ends_the_rehearsal"),
        "infra/cloud/stacks.py::_told": (
            "tests/infra/cloud/test_rehearsal.py",
            "test_a_stack_that_fails_is_told_with_the_reason",
        ),
        "infra/ray/__main__.py::_find": (
            "tests/infra/ray/test_cluster.py",
            "test_what_cannot_be_meant_is_refused_before_a_cluster_starts",
        ),
        "infra/ray/__main__.py::_require_free": (
            "tests/infra/ray/test_cluster.py",
            "test_what_cannot_be_meant_is_refused_before_a_cluster_starts",
        ),
        "infra/scale/measure.py::invoke": ("tests/infra/scale/test_measure.py", "test_a_function_that_raises_is_an_error"),
    },
    "training": {
        "training/export/adoption.py::_require_range": (
            "tests/training/export/test_adoption.py",
            "test_without_images_nothing_is_claimed",
        ),
        "training/export/keras_file.py::_read_json": (
            "tests/training/export/test_adoption.py",
            "test_a_file_that_is_no_model_is_refused",
        ),
        "training/export/keras_file.py::find_end": (
            "tests/training/export/test_adoption.py",
            "test_what_cannot_be_served_is_refused_with_what_to_change",
        ),
        "training/export/keras_file.py::load_keras": (
            "tests/training/export/test_adoption.py",
            "test_what_cannot_be_served_is_refused_with_what_to_change",
        ),
        "training/export/keras_file.py::require_classes": (
            "tests/training/export/test_adoption.py",
            "test_what_cannot_be_served_is_refused_with_what_to_change",
        ),
        "training/export/keras_file.py::require_images": (
            "tests/training/export/test_adoption.py",
            "test_what_cannot_be_served_is_refused_with_what_to_change",
        ),
        "training/export/litert.py::convert_model": (
            "tests/training/export/test_adoption.py",
            "test_what_cannot_be_served_is_refused_with_what_to_change",
        ),
        "training/export/litert.py::quantise": (
            "tests/training/export/test_adoption.py",
            "test_what_cannot_be_served_is_refused_with_what_to_change",
        ),
        "training/export/runs.py::_require_data": (
            "tests/training/test_command.py",
            "test_an_export_with_other_data_is_refused",
        ),
        "training/export/runs.py::_require_one_recipe": (
            "tests/training/export/test_runs.py",
            "test_runs_that_are_not_alike_are_refused",
        ),
        "training/network/callbacks.py::on_train_batch_end": (
            "tests/training/network/test_fit.py",
            "test_a_loss_that_is_not_finite_stops_with_the_step_and_what_to_try",
        ),
        "training/network/checkpoints.py::load_run": (
            "tests/training/test_command.py",
            "test_a_mistake_on_the_command_line_is_an_error_without_a_traceback",
        ),
        "training/network/fit.py::_begin": (
            "tests/training/test_command.py",
            "test_a_killed_run_goes_on_and_ends_in_the_same_place",
        ),
        "training/startup.py::load_keras": (
            "tests/training/test_command.py",
            "test_a_backend_that_cannot_be_loaded_is_named_in_one_line",
        ),
        "training/transfer/backbones.py::build_backbone": (
            "tests/training/transfer/test_backbones.py",
            "test_weights_that_cannot_be_downloaded_are_said_to_be_missing",
        ),
        "training/trial/marks.py::score_packed": (
            "tests/training/trial/test_marks.py",
            "test_a_picture_that_is_rejected_ends_the_trial",
        ),
    },
}

BENCHMARK = "a check of the benchmark, which fails only if the function or a peer of it answers wrongly"
REHEARSAL = "a check of the rehearsal, which fails only if the stack or the emulator does"

UNREACHABLE = {
    "infra": {
        "infra/backlog/deployed.py::invoke": "the loop before it ends by an answer or by the last error",
        "infra/backlog/executions.py::start": "the loop before it has no end but a free name",
        "infra/bench/contenders.py::__init__": BENCHMARK,
        "infra/bench/contenders.py::request": BENCHMARK,
        "infra/bench/function.py::score_stream": BENCHMARK,
        "infra/bench/report.py::measure": BENCHMARK,
        "infra/bench/report.py::require_same": BENCHMARK,
        "infra/cloud/emulator.py::start_emulator": "AWS's emulator starts wherever it was installed",
        "infra/cloud/first_day.py::_find_cause": REHEARSAL,
        "infra/cloud/first_day.py::_notice": REHEARSAL,
        "infra/cloud/first_day.py::_require_day": REHEARSAL,
        "infra/cloud/first_day.py::end": REHEARSAL,
        "infra/cloud/operating.py::run": REHEARSAL,
        "infra/cloud/operating.py::until_late": REHEARSAL,
        "infra/cloud/rehearsal.py::provoke_dead_letter": REHEARSAL,
        "infra/cloud/rehearsal.py::run_backlog": REHEARSAL,
        "infra/cloud/samples.py::read_classes": REHEARSAL,
        "infra/demo.py::score": "the function finishes the sample images, whatever the model",
        "infra/package.py::run": "the package is smaller than the limit, as another test shows",
        "infra/scale/measure.py::execute": "the emulated state machine has no step that fails",
    },
    "training": {
        "training/trial/marks.py::_read": "the command that scores the pictures fails before, since it is told to be --strict",
    },
}


def shown_places(room: str) -> list[Place]:
    """Returns every place of a room that makes an error which a user sees, in order."""
    trees = {str(file.relative_to(ROOT)): ast.parse(file.read_text()) for file in (ROOT / room).rglob("*.py")}
    names = set(shown_names(room, trees))
    return sorted(
        {
            Place(file, function, node.lineno)
            for file, tree in trees.items()
            for function, node in within(tree, "")
            if isinstance(node, ast.Call) and called(node) in names
        },
        key=lambda place: (place.file, place.line),
    )


def shown_names(room: str, trees: dict[str, ast.Module]) -> Iterator[str]:
    """Yields the names of the classes whose errors a room shows, each base before what derives from it."""
    yield from BASES[room]
    classes = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found, new = set(BASES[room]), True
    while new:
        new = {node.name for node in classes if {ast.unparse(base) for base in node.bases} & found} - found
        found |= new
        yield from new
