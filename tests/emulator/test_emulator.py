"""The built package under AWS's own emulator and runtime client, against the embedded cloud: `make emulate`."""

import json
import sys
import time
from pathlib import Path

import pytest

from infra.cloud.checking import differences, prepare, read_documents
from infra.cloud.embedded import start_cloud
from infra.cloud.emulator import start_emulator
from infra.cloud.expectations import EXPECTED
from infra.cloud.runtime import architecture, install_runtime_client
from infra.package import build, find_interpreter
from infra.paths import BUILD, EVENTS, ROOT

pytestmark = pytest.mark.emulator

BUILT = BUILD / "ScoringFunction"


@pytest.fixture(scope="module")
def interpreter():
    return find_interpreter() or sys.executable


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """What `make build` made; where no Python runs that, the same for the Python that is here."""
    if find_interpreter():
        assert BUILT.is_dir(), f"Expected the package in {BUILT}: run `make build` first."
        return BUILT
    target = tmp_path_factory.mktemp("package")
    build(target, architecture(), "{}.{}".format(*sys.version_info))
    return target


@pytest.fixture(scope="module")
def cloud():
    with start_cloud() as cloud:
        yield cloud


@pytest.fixture(scope="module")
def emulator(package, interpreter, cloud):
    with start_emulator(package, interpreter, cloud.environment) as emulator:
        yield emulator


@pytest.fixture
def load_event():
    return lambda name: json.loads((EVENTS / name).read_text())


@pytest.fixture
def start_program(tmp_path, interpreter):
    """Starts a package that holds nothing but the given source as its handler."""

    def start_program(source, **environment):
        (tmp_path / "handler").mkdir()
        (tmp_path / "handler" / "app.py").write_text(source)
        return start_emulator(tmp_path, interpreter, environment)

    return start_program


def read_log(invocation):
    """The lines of the function's own log; LiteRT and the runtime client write some that are no JSON."""
    return [json.loads(line) for line in invocation.lines if line.startswith("{")]


def is_running(process):
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0]
    except FileNotFoundError:
        return False
    return state != "Z"  # ended, and nobody has asked yet


def sources(root):
    return {path.relative_to(root): path.read_bytes() for path in (root / "handler").rglob("*.py")}


def test_the_package_holds_the_sources_of_this_checkout(package):
    assert sources(package) == sources(ROOT), "Run `make build` again."


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_an_event_is_answered_as_expected_and_leaves_the_documents_expected(name, cloud, emulator, load_event):
    prepare(cloud, EXPECTED[name])

    invocation = emulator.invoke(load_event(name))

    assert differences(EXPECTED[name], invocation, read_documents(cloud)) == []


def test_a_second_invocation_finds_the_process_warm(package, interpreter, cloud, load_event):
    prepare(cloud, EXPECTED["s3-upload.json"])
    with start_emulator(package, interpreter, cloud.environment) as emulator:
        logged = [read_log(emulator.invoke(load_event("s3-upload.json"))) for _ in range(2)]

    assert [(line["cold_start"], line["outcome"]) for lines in logged for line in lines if "outcome" in line] == [
        (True, "scored"),
        (False, "duplicate"),
    ]
    assert [line["ColdStart"] for lines in logged for line in lines if "ColdStart" in line] == [[1], [0]]


def test_each_line_of_the_log_is_json_and_all_but_those_of_classes_carry_the_id_of_their_request(cloud, emulator, load_event):
    """But for one that LiteRT itself writes when the process loads the model, which is why the process is warmed here."""
    emulator.invoke(load_event("s3-test-event.json"))
    prepare(cloud, EXPECTED["s3-two-records.json"])

    invocations = [emulator.invoke(load_event("s3-two-records.json")) for _ in range(2)]

    for invocation in invocations:
        logged = [json.loads(line) for line in invocation.lines]
        assert [(line["message"], len(line["objects"])) for line in logged if "_aws" not in line] == [("objects", 2)]
        assert {line["function_request_id"] for line in logged if "class_name" not in line} == {invocation.request_id}
    assert invocations[0].request_id != invocations[1].request_id


def test_a_cold_start_that_fails_is_an_error_with_its_type_and_reason(package, interpreter, cloud, load_event):
    prepare(cloud, EXPECTED["s3-upload.json"])
    with start_emulator(package, interpreter, cloud.environment | {"OUTPUT_URI": "nonsense"}) as emulator:
        invocation = emulator.invoke(load_event("s3-upload.json"))

    assert invocation.answer is None
    assert invocation.error.type == "BadSettings"
    assert "OUTPUT_URI" in invocation.error.message
    logged = read_log(invocation)[0]
    assert (logged["message"], logged["error"]) == ("invocation_failed", "BadSettings")
    assert logged["function_request_id"] == invocation.request_id
    assert read_documents(cloud) == {}


def test_a_package_without_one_of_its_libraries_fails_though_this_environment_has_it(package, interpreter, tmp_path):
    """jmespath is pure Python, so it could be taken from anywhere."""
    import jmespath

    for path in package.iterdir():
        if path.name != jmespath.__name__:
            (tmp_path / path.name).symlink_to(path)

    with start_emulator(tmp_path, interpreter, {}) as emulator:
        invocation = emulator.invoke({})

    assert invocation.error.type == "Runtime.ImportModuleError"
    assert "No module named 'jmespath'" in invocation.error.message


def test_the_function_sees_the_package_the_client_and_the_interpreter_alone(start_program, tmp_path, interpreter, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("AWS_PROFILE", "somebody")
    source = "import os, sys\n\ndef lambda_handler(event, context):\n    return [sys.path, dict(os.environ)]\n"

    with start_program(source, MODEL_URI="given") as emulator:
        path, environment = emulator.invoke({}).answer

    assert path[:2] == [str(tmp_path), str(install_runtime_client(interpreter))]
    assert not [folder for folder in path if "site-packages" in folder or folder == str(ROOT)]
    assert environment["MODEL_URI"] == "given"
    assert "AWS_PROFILE" not in environment


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import sys\nsys.exit(3)\n", "Runtime.ExitError"),
        ("import os\n\ndef lambda_handler(event, context):\n    os._exit(3)\n", "Runtime.ExitError"),
        ("", "Runtime.HandlerNotFound"),
    ],
)
def test_a_process_that_ends_is_an_error_and_the_next_invocation_starts_another(start_program, source, error):
    with start_program(source) as emulator:
        types = [emulator.invoke({}).error.type for _ in range(2)]

    assert types == [error, error]


def test_what_a_function_returns_is_its_answer_though_it_be_nothing(start_program):
    with start_program("def lambda_handler(event, context):\n    return event.get('reply')\n") as emulator:
        replies = [emulator.invoke({"reply": reply}) for reply in (None, [], "text", {"errorType": "mine"})]

    assert [(reply.answer, reply.error) for reply in replies] == [
        (None, None),
        ([], None),
        ("text", None),
        ({"errorType": "mine"}, None),
    ]


def test_no_process_is_left_even_if_one_ignores_the_signal_and_has_left_its_group(start_program):
    source = """
import os, signal, time

def lambda_handler(event, context):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = os.fork()
    if not child:
        time.sleep(600)
    os.setpgid(child, 0)
    return [os.getpid(), child]
"""
    with start_program(source) as emulator:
        processes = emulator.invoke({}).answer

    deadline = time.monotonic() + 5
    while any(map(is_running, processes)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(processes) == 2
    assert not [process for process in processes if is_running(process)]
