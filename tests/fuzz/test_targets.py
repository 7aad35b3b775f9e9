"""The fuzzers' targets hold for their seeds, for whatever was found to break something, and for a while of fuzzing."""

import json
import os
import platform
import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from handler.backlog.tasks import parse_task
from handler.errors import StorageUnavailable, UnreadableImage
from handler.formats import FORMATS
from handler.triggers import TRIGGERS
from tests.fuzz.mutating import changed_json
from tests.fuzz.targets import TARGETS, file_readers

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PYTHON = ROOT / ".venv-fuzz" / "bin" / "python"
SOAK_S = int(os.environ.get("SOAK_SECONDS", "420"))  # of all targets together
FOUND = sorted((HERE / "found").glob("*/*"))
MUTATIONS = 300  # of the seeds of each target that are JSON


def test_every_format_and_every_trigger_has_a_target_with_seeds():
    names = {known.__name__.removeprefix("handler.formats.") for known in FORMATS}
    names |= {trigger.__name__.removeprefix("handler.") for trigger in TRIGGERS}

    assert set(TARGETS) >= names
    assert [name for name, target in TARGETS.items() if not target.seeds] == []
    assert {path.parent.name for path in FOUND} <= set(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_break_nothing(name):
    for seed in TARGETS[name].seeds:
        TARGETS[name].run(seed)


def test_the_seeds_of_tasks_and_files_are_sound():
    """A target that refuses all of its seeds would fuzz nothing but the refusal."""
    for seed in TARGETS["tasks"].seeds:
        assert parse_task(json.loads(seed))
    taken = set()
    for seed in TARGETS["files"].seeds:
        for name, reader in file_readers(seed).items():
            with suppress(StorageUnavailable):
                reader()
                taken.add(name)
    assert taken == set(file_readers(b""))


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_fuzzers_have_found_breaks_nothing_any_more(path):
    TARGETS[path.parent.name].run(path.read_bytes())


@pytest.mark.parametrize("name", [name for name in TARGETS if name.startswith(("triggers.", "tasks", "files"))])
def test_changed_json_breaks_nothing(name):
    """The same ways to change JSON as the fuzzer's, by seeds; `make soak` goes on where this ends."""
    for number in range(MUTATIONS):
        generator = random.Random(number)
        content = generator.choice(TARGETS[name].seeds)
        for _ in range(generator.choice([1, 1, 2, 4])):
            content = changed_json(content, generator) or content
        try:
            TARGETS[name].run(content)
        except Exception as error:
            raise AssertionError(f"{name}, seed {number}, {content[:200]}") from error


@pytest.mark.parametrize(
    ("name", "broken", "result"),
    [
        ("picture", "tests.fuzz.targets.decode", lambda *_: iter([object()])),
        ("picture", "tests.fuzz.targets.decode", lambda body, *_: body.read()[10**6]),
        ("triggers.direct", "tests.fuzz.targets.parse_event", lambda event: event["Records"]),
        ("files", "tests.fuzz.targets.decode_index", lambda *_: {}["head"]),
        ("settings", "tests.fuzz.targets.load_settings", lambda variables: int(variables["OUTPUT_URI"])),
        ("manifest", "tests.fuzz.targets.load_model", lambda read: read("manifest.json").decode("ascii") + 1),
    ],
)
def test_a_target_notices_code_that_breaks_its_promise(name, broken, result, monkeypatch):
    monkeypatch.setattr(broken, result)

    with pytest.raises((AssertionError, LookupError, ValueError, TypeError)):
        TARGETS[name].run(TARGETS[name].seeds[0])


def test_a_target_takes_a_rejection_for_what_it_is(monkeypatch):
    def reject(*_):
        raise UnreadableImage("Expected an image. Received: none.")

    monkeypatch.setattr("tests.fuzz.targets.decode", reject)
    TARGETS["picture"].run(b"")


@pytest.mark.soak
@pytest.mark.parametrize("name", TARGETS)
def test_fuzzing_breaks_nothing(name):
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        pytest.skip("atheris has wheels for Linux on x86-64 alone")
    seconds = max(10, SOAK_S // len(TARGETS))
    command = [str(PYTHON), "-m", "tests.fuzz", name, "--seconds", str(seconds)]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr[-4000:]}"
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Done ")]
    sys.stdout.write(f"{name}: {line}\n")
