"""The files that other programs read of this repository: each names what is there, and pins what it takes from others."""

import re
import tomllib

import pytest
import typer.main
import yaml

from handler.outcomes import Outcome
from infra.__main__ import app
from infra.lock import LOCKS, ROOT, read_groups

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = [path for path in sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")) if path.name != "config.yml"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONTAINER = (ROOT / "Containerfile").read_text()
COMMANDS = typer.main.get_command(app).commands
NEEDING = re.compile(r'require_checkout\("([^"]+)"\)')


def steps(path):
    return [step for job in yaml.safe_load(path.read_text())["jobs"].values() for step in job["steps"]]


def test_the_wheel_depends_on_the_lines_of_the_group_score_and_each_extra_on_lines_of_the_groups():
    groups, extras = read_groups(), PROJECT["optional-dependencies"]

    assert PROJECT["dependencies"] == groups["score"]
    assert extras["heic"] == groups["heic"]
    assert set(extras["cloud"]) | set(extras["parquet"]) <= set(groups["cloud"]) - set(groups["score"])
    assert set(groups["cloud"]) - set(groups["score"]) - {line for lines in extras.values() for line in lines} == {
        line for line in groups["cloud"] if line.split("==")[0] in {"pyelftools", "cyclonedx-python-lib", "setuptools"}
    }, "what makes the package needs a checkout, and all else is in an extra"


def test_the_page_and_the_changelog_name_the_version_that_is_built():
    version = PROJECT["version"]

    assert f"coatcheck-{version}-py3-none-any.whl" in (ROOT / "docs" / "install.md").read_text()
    assert re.search(rf"^## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_pins_each_action_by_its_commit_and_may_read_alone(path):
    text, workflow = path.read_text(), yaml.safe_load(path.read_text())
    used = re.findall(r"uses: (.+)", text)

    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())
    for step in steps(path):
        assert "${{" not in step.get("run", ""), "an expression in a script is code of whoever chose its value"
        if "checkout@" in step.get("uses", ""):
            assert step["with"] == {"persist-credentials": False}


def test_the_job_that_may_write_runs_nothing_of_the_repository():
    jobs = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())["jobs"]
    writing = [job for job in jobs.values() if "write" in job.get("permissions", {}).values()]

    assert [job["permissions"] for job in writing] == [{"contents": "write"}]
    assert not [step for job in writing for step in job["steps"] if "checkout@" in step.get("uses", "")]


def test_the_checks_run_on_every_python_that_is_supported_and_on_both_processors():
    matrix = yaml.safe_load((ROOT / ".github/workflows/check.yml").read_text())["jobs"]["check"]["strategy"]["matrix"]
    first, end = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PROJECT["requires-python"]).groups()

    assert matrix["python"] == [f"3.{minor}" for minor in range(int(first), int(end))]
    assert [it["runner"] for it in matrix["include"]] == ["ubuntu-24.04-arm"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_a_workflow_runs_is_there(path):
    scripts = "\n".join(step.get("run", "") for step in steps(path))
    targets = set(re.findall(r"\bmake ([a-z-]+)", scripts))

    assert ".ci/run" in scripts
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
    for target in targets:
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), target
    for module in re.findall(r"python -m (infra\S+)", scripts):
        assert (ROOT / f"{module.replace('.', '/')}.py").exists()


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_a_form_asks_for_what_explain_and_doctor_print(path):
    body = yaml.safe_load(path.read_text())["body"]
    ids = [part["id"] for part in body if part["type"] != "markdown"]

    assert len(ids) == len(set(ids))
    assert {"explain", "doctor"} <= set(ids)


def test_the_container_installs_the_lock_of_score_and_is_nobody_special():
    final = CONTAINER.split("\nFROM ")[-1]

    assert re.findall(r"^FROM (\S+)", CONTAINER, re.MULTILINE) == ["python:3.13-slim"] * 2
    assert str(LOCKS["score"].relative_to(ROOT)) in final
    assert "--require-hashes" in final
    assert re.findall(r"^USER (\d+)$", final, re.MULTILINE) == ["1000"]
    assert 'ENTRYPOINT ["coatcheck"]' in final
    assert set(re.findall(r"setuptools==\S+", CONTAINER)) <= set(read_groups()["cloud"])


def test_pre_commit_runs_the_ruff_of_the_lock():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    versions = {repository["repo"].rpartition("/")[2]: repository["rev"] for repository in config["repos"]}

    assert f"ruff=={versions['ruff-pre-commit'].removeprefix('v')}" in read_groups()["test"]


INSTALL = (ROOT / "docs" / "install.md").read_text()


def test_the_tests_that_contributing_names_for_each_addition_are_there():
    commands = re.findall(r"-m pytest (.+)$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    named = {word for command in commands for word in command.split() if "/" in word}

    sections = re.split(r"^## ", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.MULTILINE)
    additions = [section for section in sections if re.match(r"To add a (trigger|format|store|command)\n", section)]
    assert ["-m pytest" in section for section in additions] == [True] * 4
    assert [name for name in named if "NAME" not in name and not (ROOT / name).exists()] == []


def test_contributing_names_what_stands_in_the_code():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    places = {
        "handler/triggers/__init__.py": "TRIGGERS",
        "handler/triggers/carried.py": "_CARRIED",
        "handler/formats/__init__.py": "FORMATS",
        "handler/formats/members.py": "_FORMATS",
        "handler/formats/pictures/__init__.py": "KINDS",
        "handler/maker.py": "READING_REVISION",
        "infra/cloud/expectations.py": "EXPECTED",
        "infra/wheel.py": "FILES",
        "tests/handler/formats/seeds.py": "SEEDS",
        "tests/handler/triggers/test_payloads.py": "PAYLOADS",
        "tests/handler/triggers/test_protocols.py": "EVENTS",
        "tests/infra/stores/conftest.py": "STORES",
        "tests/test_structure.py": "INFRA_ARROWS",
    }

    for path, name in places.items():
        assert f"`{name}`" in text
        assert re.search(rf"^{name}\b.*=", (ROOT / path).read_text(), re.MULTILINE), f"{name} is not in {path}"


def test_the_outcomes_among_the_words_are_those_of_the_code():
    row = re.search(r"^\| outcome \| .*: (.+) \|$", (ROOT / "docs" / "concepts.md").read_text(), re.MULTILINE)[1]

    assert set(row.split(", ")) == {outcome.value for outcome in Outcome}


def test_the_page_of_installation_tells_of_the_versions_that_are_locked_and_of_every_extra():
    told = re.findall(r"^\| ([\w-]+) ([\d.]+\d)(?: \(.*?\))? \|", INSTALL, re.MULTILINE)
    pinned = {*PROJECT["dependencies"], *(line for lines in PROJECT["optional-dependencies"].values() for line in lines)}

    assert len(told) > 5
    assert [f"{name}=={version}" for name, version in told if f"{name}=={version}" not in pinned] == []
    assert set(re.findall(r"^\| `coatcheck\[(\w+)\]`", INSTALL, re.MULTILINE)) == set(PROJECT["optional-dependencies"])


def test_the_page_of_installation_sorts_every_command_by_what_it_needs():
    needing = {name for path in (ROOT / "infra" / "commands").glob("*.py") for name in NEEDING.findall(path.read_text())}
    named = re.search(r"^(`package`.+?) make or run what only a clone has", INSTALL, re.MULTILINE)[1]

    assert set(re.findall(r"`([^`]+)`", named)) == needing
    for command in COMMANDS:
        assert f"`{command}`" in INSTALL, command
