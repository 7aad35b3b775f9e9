"""The sentences about the house that must stay true: who imports whom, where errors stop, that every file is used."""

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from handler import errors

ROOT = Path(__file__).parent.parent
SOURCES = sorted(path for room in ("handler", "training", "infra") for path in (ROOT / room).rglob("*.py"))

# Who may import whom inside handler/. The leaves (values and pure functions of them) are open to all.
LEAVES = {
    "article",
    "article_parts",
    "contract",
    "conversion",
    "deadline",
    "errors",
    "jobs",
    "layout",
    "limits",
    "maker",
    "objects",
    "outcomes",
    "plain_text",
    "prices",
    "store",
}
ARROWS = {
    "app": {
        *{
            "backlog",
            "custody",
            "delivery",
            "dispatch",
            "documents",
            "formats.picture",
            "inputs",
            "marks",
            "model",
            "scoring",
            "settings",
            "stores",
            "sweeping",
            "telemetry",
            "triggers",
        },
        "work_queue",
    },
    "aws": set(),
    "backlog": {
        "backlog",
        "calls",
        "dispatch",
        "documents",
        "examining",
        "formats",
        "formats.image",
        "marks",
        "pairing",
        "predictions",
        "scoring",
    },
    "batching": {"formats.image", "predictions", "work"},
    "calls": set(),
    "custody": {"calls", "triggers.request"},
    "delivery": {"custody", "scoring", "sweeping", "triggers.request"},
    "dispatch": {"documents", "formats.image", "inputs", "predictions"},
    "documents": {"marks"},
    "examining": {"documents", "inputs", "marks", "pairing"},
    "formats": {"formats"},
    "inputs": {"documents"},
    "marks": set(),
    "model": set(),
    "opening": {"calls", "documents", "inputs", "work"},
    "pairing": set(),
    "predictions": set(),
    "obstore_calls": {"aws", "s3_answers"},
    "obstore_client": {"aws"},
    "obstore_storage": {"aws", "obstore_calls", "obstore_client", "s3_answers"},
    "s3_answers": set(),
    "s3_calls": {"aws", "s3_answers"},
    "scoring": {"batching", "calls", "dispatch", "opening", "documents", "formats", "inputs", "predictions", "work", "writing"},
    "settings": set(),
    "spool": set(),
    "storage": {"aws", "s3_answers", "s3_calls"},
    "stores": {"obstore_client", "obstore_storage", "storage", "telemetry"},
    "sweeping": {"backlog", "calls", "dispatch", "documents", "examining", "inputs", "marks", "pairing", "scoring", "tally"},
    "tally": {"examining", "marks"},
    "telemetry": {"triggers.request"},
    "triggers": {"triggers"},
    "work": {"dispatch", "writing"},
    "work_queue": {"aws"},
    "writing": {"predictions", "spool"},
}
# Who may import whom inside infra/, besides what is shared. Any part may import handler/, and next to nothing of training/.
INFRA_SHARED = {"advice", "errors", "paths", "platforms", "printable"}
INFRA_ARROWS = {
    "__main__": {"commands"},
    "backlog": {"backlog", "cost", "doctor", "locations", "score", "template"},
    "bench": {"bench", "cloud", "package", "stores", "template"},
    "cloud": {"cloud", "dashboard", "locations", "package", "schemas", "show", "template"},
    "commands": {
        "backlog",
        "bench",
        "cloud",
        "commands",
        "cost",
        "demo",
        "doctor",
        "explain",
        "judging",
        "package",
        "redrive",
        "schemas",
        "score",
        "show",
    },
    "cost": {"cost", "template"},
    "dashboard": {"cost", "dashboard", "template"},
    "demo": {"cloud", "locations", "show"},
    "doctor": {"doctor", "locations", "template"},
    "explain": {"explain", "locations", "score"},
    "judging": {"judging", "locations", "score", "show"},
    "package": {"native", "supply"},
    "ray": {"locations", "ray", "score", "show", "stores"},
    "redrive": {"doctor", "redrive"},
    "scale": {"bench", "cloud", "cost", "scale", "template"},
    "score": {"locations", "score", "show", "stores"},
    "show": {"locations", "show", "stores"},
    "site": {"site"},
    "stores": {"stores"},
    "supply": {"lock", "supply"},
}
# Who may import whom inside training/. The command line may import every room, and every room the values and functions shared.
TRAINING_SHARED = {"artifact", "config", "errors", "shipped", "startup"}
TRAINING_ARROWS = {
    "data": set(),
    "network": {"data"},
    "export": {"data", "network"},
    "report": {"data", "network", "export"},
    "transfer": {"data", "network", "export"},
    "recipes": {"options", "transfer"},
    "trial": {"data", "export", "report"},
    "commands": {"data", "export", "network", "options", "report", "transfer", "trial"},
    "__main__": {"command_line", "commands"},
}
WEIGHTS_READER = ROOT / "training" / "recipes" / "efficientnet_lite0.py"  # by names that it knows, and refuses all others
ALONE = {  # libraries that one place knows alone
    "boto3": {"storage", "work_queue"},
    "botocore": {"aws", "s3_calls", "storage", "work_queue"},
    "obstore": {"obstore_calls", "obstore_client", "obstore_storage"},
    "ai_edge_litert": {"model"},
    "aws_lambda_powertools": {"telemetry", "app"},  # app: the type of Lambda's context alone
    "PIL": {"formats", "conversion", "article", "article_parts"},
    "_pi_heif": {"formats"},
}


def module_name(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path):
    """Every module that `path` imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(name):
    """handler.formats.npy -> formats"""
    return name.split(".")[1] if "." in name else ""


def modules_of(path):
    known = {module_name(source) for source in SOURCES}
    return {name for name in imports(path) if name in known}


@pytest.mark.parametrize("path", sorted((ROOT / "handler").rglob("*.py")), ids=module_name)
def test_the_arrows_inside_the_handler_hold(path):
    here = room(module_name(path))
    allowed = ARROWS.get(here, set()) | LEAVES - {here}

    for name in modules_of(path):
        assert name.startswith("handler"), f"{path} imports {name}: the handler imports nothing of the other rooms"
        target = name.removeprefix("handler").removeprefix(".")
        assert not target or target in allowed or target.split(".")[0] in allowed, f"{path} must not import {name}"


def test_the_leaves_depend_on_nothing_but_each_other():
    for leaf in LEAVES:
        assert {room(name) for name in modules_of(ROOT / "handler" / f"{leaf}.py")} <= LEAVES | {""}


@pytest.mark.parametrize("path", sorted((ROOT / "training").rglob("*.py")), ids=module_name)
def test_training_knows_the_contract_its_conversion_and_the_model_alone(path):
    handler_modules = {name for name in modules_of(path) if name.startswith("handler.")}

    assert handler_modules <= {
        "handler.contract",
        "handler.conversion",
        "handler.errors",
        "handler.formats.picture",
        "handler.model",
    }
    assert not {name for name in modules_of(path) if name.startswith("infra")}


@pytest.mark.parametrize("path", sorted((ROOT / "infra").rglob("*.py")), ids=module_name)
def test_the_arrows_inside_infra_hold(path):
    names = modules_of(path)

    row = room(module_name(path))
    extra = {room(name) for name in names if name.startswith("infra.")} - INFRA_ARROWS.get(row, set()) - INFRA_SHARED
    assert not extra, f"{path} imports {extra}, which the row {row!r} of INFRA_ARROWS does not name"
    # How labels are read, and which artifacts ship, is one for both rooms, and needs no library of training's.
    shared = {"training.data.labels", "training.errors", "training.data", "training"} if "judging" in path.parts else set()
    if (
        path.name == "runtimes.py"
    ):  # the benchmark's peer of Keras, which runs the layers that are trained, in a Python of its own
        shared = {"training", "training.config", "training.network", "training.network.architecture"}
    assert {name for name in names if name.startswith("training")} <= shared | {"training.shipped"}


def test_only_the_command_line_of_infra_ends_the_process():
    enders = {path.name for path in (ROOT / "infra").rglob("*.py") if re.search(r"SystemExit|sys\.exit", path.read_text())}

    assert enders == {"__main__.py"}


@pytest.mark.parametrize("path", sorted((ROOT / "training").rglob("*.py")), ids=module_name)
def test_the_arrows_between_the_rooms_of_training_hold(path):
    here = room(module_name(path))
    found = {room(name) for name in modules_of(path) if name.startswith("training.")}

    assert found - {here} <= TRAINING_ARROWS.get(here, set()) | TRAINING_SHARED


@pytest.mark.parametrize("path", sorted((ROOT / "handler").rglob("*.py")), ids=module_name)
def test_a_library_is_known_in_its_one_place(path):
    here = room(module_name(path))
    for name in imports(path):
        library = name.split(".")[0]
        assert here in ALONE.get(library, {here}), f"{library} belongs into {ALONE[library]}"
        assert library not in {"tensorflow", "keras", "training", "sklearn", "moto"}


def test_only_the_entry_point_reads_the_environment():
    users = {path.stem for path in (ROOT / "handler").rglob("*.py") if re.search(r"os\.(environ|getenv)", path.read_text())}

    assert users == {"app"}


def test_blind_excepts_stand_where_they_are_explained():
    """They isolate objects, members, pictures and sweeps, and log what ends an invocation; there is no sixth."""
    blind = [
        path.stem
        for path in (ROOT / "handler").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"})
    ]

    assert sorted(blind) == ["app", "members", "picture", "sweeping", "work"]


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_dangerous_ways_are_not_taken(path):
    text = path.read_text()
    allowed = {r"\bpickle\b"} if path == WEIGHTS_READER else set()
    for pattern in {
        r"\bpickle\b",
        r"\beval\(",
        r"\bexec\(",
        r"allow_pickle=True",
        r"MAX_IMAGE_PIXELS = None",
        r"\bLOAD_TRUNCATED",
    } - allowed:
        assert not re.search(pattern, text), f"{pattern} in {path}"
    assert not [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Assert)], f"assert in {path}"


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_every_module_says_what_it_is_for(path):
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_the_tree_of_errors_is_drawn_as_it_is():
    """The depth of a name in the drawing is that of its class, and its parent the last name drawn one level above."""
    drawn, path = set(), []
    for prefix, name in re.findall(r"^([│├└─ ]*)([A-Z]\w+)(?: +\S.*)?$", inspect.getdoc(errors), re.MULTILINE):
        depth = 0 if name == "ScoringError" else 1 if prefix in {"├── ", "└── "} else 2
        path = [*path[:depth], name]
        if prefix or name == "ScoringError":
            drawn.add((name, path[-2] if depth else "Exception"))

    classes = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, Exception)]
    assert drawn == {(value.__name__, value.__base__.__name__) for value in classes}


def test_every_event_file_is_used_by_a_test():
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))

    for path in (ROOT / "events").glob("*.json"):
        json.loads(path.read_text())
        assert path.name in tests


def test_importing_the_function_loads_nothing_that_trains_and_reads_no_environment():
    program = "import sys; import handler.app; print(sorted({'tensorflow', 'keras', 'training', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT, env={})

    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_public_modules_import():
    for path in SOURCES:
        if path.stem != "__main__":
            importlib.import_module(module_name(path))
