"""The files that other programs read of this repository: each names what is there, and pins what it takes from others."""

import re
import tomllib

import pytest
import yaml

from infra.lock import LOCKS, ROOT, read_groups

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = [path for path in sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")) if path.name != "config.yml"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONTAINER = (ROOT / "Containerfile").read_text()


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
