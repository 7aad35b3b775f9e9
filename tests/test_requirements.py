"""What is installed: every line of pyproject.toml's groups has its reason, and each lock is of these lines, with hashes."""

import re
import subprocess
import sys
import tomllib

import pytest

from infra.lock import ENVIRONMENTS, LOCKS, ROOT, digest, read_groups

PYPROJECT = (ROOT / "pyproject.toml").read_text()
GROUPS = read_groups()


def locked(name):
    """The requirements of a lock, one a line: name, version, marker and hashes."""
    lines = (line for line in LOCKS[name].read_text().splitlines() if not line.startswith("#"))
    return "\n".join(lines).replace("\\\n", "").splitlines()


def version_of(requirement):
    """The name of a requirement, normalised, and its version."""
    name, version = re.match(r"([\w.-]+)(?:\[[\w, -]+\])?==([\w.]+)", requirement).groups()
    return re.sub(r"[-_.]+", "-", name).lower(), version


def test_every_requirement_is_pinned_and_has_a_reason():
    block = re.search(r"^\[dependency-groups\]\n(.*?)^\[", PYPROJECT, re.DOTALL | re.MULTILINE)[1]
    lines = [line for line in block.splitlines() if line.startswith('    "')]

    assert len(lines) == sum(
        isinstance(entry, str) for group in tomllib.loads(PYPROJECT)["dependency-groups"].values() for entry in group
    )
    for line in lines:
        assert re.fullmatch(r' {4}"[\w.-]+(\[[\w,]+\])?==[\w.]+(; [^"]+)?", +# .+', line), line


def test_every_group_is_locked():
    assert set(GROUPS) == set(LOCKS) == {name for names in ENVIRONMENTS for name in names}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_is_of_the_lines_that_stand_in_pyproject(name):
    assert f"\n# {digest(GROUPS[name])}\n" in LOCKS[name].read_text(), f"{LOCKS[name]} is stale: run `make lock`."


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_each_line_of_its_group_at_its_version(name):
    assert {version_of(line) for line in GROUPS[name]} <= {version_of(line) for line in locked(name)}


@pytest.mark.parametrize("name", LOCKS)
def test_each_requirement_of_a_lock_has_its_version_and_hashes(name):
    for requirement in locked(name):
        assert re.fullmatch(r"[\w.-]+(\[[\w, -]+\])?==[\w.]+( ; [^\\]+?)?( +--hash=sha256:[0-9a-f]{64})+", requirement), (
            requirement
        )


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_package_index(name):
    assert not re.search(r"://|--(extra-)?index|--find-links|/simple", LOCKS[name].read_text())


@pytest.mark.parametrize("names", ENVIRONMENTS, ids=", ".join)
def test_groups_of_one_environment_agree_on_every_version_and_its_hashes(names):
    found = {}
    for name in names:
        for requirement in locked(name):
            pin = requirement.split("==")
            assert found.setdefault(pin[0].split("[")[0], pin[1]) == pin[1]


def test_the_function_is_packaged_with_exactly_its_lines():
    assert sorted(map(version_of, locked("function"))) == sorted(map(version_of, GROUPS["function"]))


def test_the_requirements_file_names_the_lock_of_each_group_that_shares_the_environment():
    named = re.findall(r"^-r (.+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)

    assert [ROOT / name for name in named] == [LOCKS[name] for name in ENVIRONMENTS[0]]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"moto[s3,sqs]==', '"moto[s3]=='),
        lambda text: text.replace('"numpy==', '"numpy==9.'),  # of a group that it includes
        lambda text: text.replace('    { include-group = "score" },\n    "moto', '    "moto'),
    ],
    ids=["extra", "version", "group"],
)
def test_a_change_of_a_line_is_noticed(change, tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text(change(PYPROJECT))
    monkeypatch.setattr("infra.lock.ROOT", tmp_path)

    assert digest(read_groups()["cloud"]) != digest(GROUPS["cloud"])


def test_a_change_of_a_reason_leaves_the_locks_good(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text(PYPROJECT.replace("# pixels and probabilities", "# arrays"))
    monkeypatch.setattr("infra.lock.ROOT", tmp_path)

    assert read_groups() == GROUPS


def test_locking_needs_nothing_that_would_have_to_be_installed():
    done = subprocess.run([sys.executable, "-S", "-c", "import infra.lock"], cwd=ROOT, check=False, capture_output=True)

    assert done.returncode == 0, done.stderr
