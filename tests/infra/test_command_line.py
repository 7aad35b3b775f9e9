"""The one command line: a map that appears at once, commands that load what they need, and how each of them fails."""

import ast
import re
import subprocess
import sys

import pytest
import typer.main

from infra.__main__ import app
from infra.paths import ROOT

LIBRARIES = {"moto", "boto3", "numpy", "tensorflow", "handler", "training.data", "training.network", "infra.bench"}
COMMANDS = typer.main.get_command(app).commands


def run(*arguments, before=""):
    """Runs the command line in a process of its own, whose last line names which of LIBRARIES it has loaded."""
    program = f"""
import sys
{before}
from infra.__main__ import main
sys.argv = ["coatcheck", *{arguments!r}]
try:
    main()
finally:
    print(sorted(set(sys.modules) & {LIBRARIES}))
"""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT, env={})


def test_the_help_names_each_command_and_loads_no_library_of_any():
    done = run("--help")

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    assert {name for name in COMMANDS if re.search(rf"^│ {name}  ", done.stdout, re.MULTILINE)} == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_each_command_shows_an_example(name):
    assert re.search(rf"Examples?:.*`[^`]*coatcheck {name}\b", COMMANDS[name].help, re.DOTALL)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_wrong_use_of_each_command_prints_one_line_that_says_what_to_do(name):
    done = run(name, "--nonsense")

    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert done.stderr.endswith(f"{name} --help` shows what is possible.\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_and_each_of_its_parameters_is_explained(name):
    assert len(COMMANDS[name].help.splitlines()) > 1, "the help needs a first line, and then what the command does and needs"
    assert [parameter.name for parameter in COMMANDS[name].params if not parameter.help] == []


@pytest.mark.parametrize(
    ("module", "unneeded"),
    [
        ("infra.package", {"moto", "boto3", "numpy", "handler"}),
        ("infra.schemas", {"moto", "boto3"}),
        ("infra.demo", {"tensorflow", "training.data", "training.network", "infra.bench"}),
        ("infra.bench.report", {"moto", "tensorflow", "training.data", "training.network"}),
    ],
)
def test_a_command_loads_no_library_of_another(module, unneeded):
    done = run("--help", before=f"import {module}")

    assert unneeded.isdisjoint(ast.literal_eval(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [["nonsense"], ["package"], ["demo", "--nonsense"], ["sam-local", "--architecture", "x"]])
def test_wrong_use_ends_with_status_2_and_what_is_wrong(arguments):
    done = run(*arguments)

    assert done.returncode == 2
    assert re.search("No such|Missing argument|Invalid value", done.stderr)


def test_a_folder_that_cannot_be_written_is_an_error_in_one_line():
    done = run("package", "/dev/null/x")

    assert (done.returncode, done.stderr) == (
        1,
        "error: Expected to read or write '/dev/null/x'. Received: Not a directory; mend that, or name another place.\n",
    )


def test_an_interrupted_command_ends_without_a_traceback():
    done = run(
        "schemas", before="import infra.schemas\ndef stop(): raise KeyboardInterrupt\ninfra.schemas.write_schemas = stop"
    )

    assert (done.returncode, "Traceback" in done.stderr) == (130, False)


def test_a_library_that_is_not_installed_is_named_with_what_to_do():
    done = run("sam-local", before="sys.modules['jsonschema'] = None")

    assert done.returncode == 1
    assert done.stderr == "error: Expected the library jsonschema. `make test` installs what every command needs.\n"


@pytest.mark.parametrize("name", ["Makefile", "README.md"])
def test_each_command_that_the_project_calls_exists(name):
    called = re.findall(r"python -m infra ([a-z][a-z-]*)|coatcheck ([a-z][a-z-]*)", (ROOT / name).read_text())

    assert {first or second for first, second in called} <= set(COMMANDS)


def test_a_name_in_an_error_cannot_command_the_terminal():
    done = run("score", "\x1b[2J\u202egone.png")

    assert done.returncode == 2
    assert done.stderr.rstrip("\n").isprintable()
