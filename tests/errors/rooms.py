"""The places in infra/ and training/ that make an error which a user sees, and those that no provocation reaches.

A place is named by its file and function. `ELSEWHERE` names the tests that cause what takes TensorFlow, a second emulator or a
cluster; `UNREACHABLE` says why no user can cause an error; `NOT_YET` is what is left to do.
"""

import ast
from pathlib import Path

from tests.errors.places import Place, called, within

ROOT = Path(__file__).parents[2]

# The bases of the errors that each room shows to users, and what else it makes errors of.
BASES = {
    "infra": {"InfraError", "BadEntry", "BadRequest"},
    "training": {"TrainingError", "BadParameter"},
}

ELSEWHERE = {
    "infra": {
        "infra/bench/processes.py::run_program": "tests/infra/bench/test_bench.py::test_a_program_that_fails_is_an_error_with_its_reason",
        "infra/bench/stub/wire.py::_next": "tests/infra/bench/test_stub.py::test_headers_without_an_end_are_refused",
        "infra/bench/stub/wire.py::parse_head": "tests/infra/bench/test_stub.py::test_what_is_no_request_of_told_length_is_refused",
        "infra/cloud/ministack.py::serve": "tests/infra/cloud/test_ministack.py::DID_NOT_START",
        "infra/cloud/rehearsal.py::_judge": "tests/infra/cloud/test_rehearsal.py::test_a_wrong_class_ends_the_rehearsal",
        "infra/cloud/stacks.py::_told": "tests/infra/cloud/test_rehearsal.py::test_a_stack_that_fails_is_told_with_the_reason",
        "infra/ray/__main__.py::_find": "tests/infra/ray/test_cluster.py::test_what_cannot_be_meant_is_refused_before_a_cluster_starts",
        "infra/ray/__main__.py::_require_free": (
            "tests/infra/ray/test_cluster.py::test_what_cannot_be_meant_is_refused_before_a_cluster_starts"
        ),
        "infra/scale/measure.py::invoke": "tests/infra/scale/test_measure.py::test_a_function_that_raises_is_an_error",
    },
    "training": {
        "training/export/adoption.py::_require_range": "",
        "training/export/keras_file.py::_read_json": "tests/training/export/test_adoption.py::test_a_file_that_is_no_model_is_refused",
        "training/export/keras_file.py::find_end": "",
        "training/export/keras_file.py::load_keras": "",
        "training/export/keras_file.py::require_classes": "",
        "training/export/keras_file.py::require_images": "",
        "training/export/litert.py::convert_model": "",
        "training/export/litert.py::quantise": (
            "tests/training/export/test_adoption.py::test_a_model_of_mixed_precision_is_told_to_be_float32"
        ),
        "training/export/runs.py::_require_data": "tests/training/test_command.py::test_an_export_with_other_data_is_refused",
        "training/export/runs.py::_require_one_recipe": (
            "tests/training/export/test_runs.py::test_runs_that_are_not_alike_are_refused"
        ),
        "training/network/callbacks.py::on_train_batch_end": (
            "tests/training/network/test_fit.py::test_a_loss_that_is_not_finite_stops_with_the_step_and_what_to_try"
        ),
        "training/network/checkpoints.py::load_run": (
            "tests/training/test_command.py::test_a_mistake_on_the_command_line_is_an_error_without_a_traceback"
        ),
        "training/network/fit.py::_begin": (
            "tests/training/test_command.py::test_a_killed_run_goes_on_and_ends_in_the_same_place"
        ),
        "training/startup.py::load_keras": (
            "tests/training/test_command.py::test_a_backend_that_cannot_be_loaded_is_named_in_one_line"
        ),
        "training/transfer/backbones.py::build_backbone": (
            "tests/training/transfer/test_backbones.py::test_weights_that_cannot_be_downloaded_are_said_to_be_missing"
        ),
        "training/trial/marks.py::score_packed": "tests/training/trial/test_marks.py::test_a_picture_that_is_rejected_ends_the_trial",
    },
}
