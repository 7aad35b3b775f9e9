"""The function's source has no way to run what it reads, and takes off no limit of a library; each rule finds its mutant."""

import ast
import re
from pathlib import Path

import pytest

from infra.lock import LOCKS

HANDLER = Path(__file__).parents[2] / "handler"
MODULES = {  # they run code that data holds, start processes, or load models by running code
    *(
        "pickle",
        "_pickle",
        "cPickle",
        "pickletools",
        "marshal",
        "shelve",
        "dbm",
        "dill",
        "cloudpickle",
        "joblib",
        "code",
        "codeop",
    ),
    *(
        "subprocess",
        "pty",
        "multiprocessing",
        "runpy",
        "imp",
        "yaml",
        "keras",
        "tensorflow",
        "tf_keras",
        "torch",
        "h5py",
        "onnx",
    ),
}
NAMES = {"eval", "exec", "compile", "__import__", "execfile", "breakpoint"}
METHODS = {  # by the last part of their names, whatever they are methods of
    *(
        "extractall",
        "unpack_archive",
        "load_model",
        "model_from_json",
        "system",
        "popen",
        "execv",
        "execve",
        "execvp",
        "spawnv",
    ),
    *("fork", "posix_spawn", "startfile", "set_int_max_str_digits", "_create_unverified_context", "setrecursionlimit"),
}
OURS = {"load_model"}  # the function's own, of LiteRT files, by its name alone; as a method it would be another one's
OFF = {"MAX_IMAGE_PIXELS", "LOAD_TRUNCATED_IMAGES"}  # Pillow's: nobody sets them
KEYWORDS = {"allow_pickle": False, "safe_mode": True, "shell": False, "verify": True}  # nothing but this may be given


def faults(source):
    """What is wrong with a module."""
    for node in ast.walk(ast.parse(source)):
        yield from (*imported(node), *used(node), *unlimited(node))


def imported(node):
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names if alias.name.split(".")[0] in MODULES)
        case ast.ImportFrom(module=module, names=names):
            yield from [module] if (module or "").split(".")[0] in MODULES else []
            yield from (alias.name for alias in names if alias.name in (METHODS - OURS) | OFF)
        case ast.Call(func=ast.Attribute(attr="import_module"), args=arguments):
            named = isinstance(arguments[0], ast.Constant) and arguments[0].value.split(".")[0] not in MODULES
            yield from [] if named else ["import_module"]


def used(node):
    match node:
        case ast.Call(func=ast.Name(id=name)) if name in NAMES | {"setattr", "delattr"}:
            yield name
        case ast.Attribute(attr=name) if name in METHODS | OFF:
            yield name
        case ast.keyword(arg=name, value=value) if name in KEYWORDS:
            given = isinstance(value, ast.Constant) and value.value is KEYWORDS[name]
            yield from [] if given else [name]


def unlimited(node):
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value) | ast.AnnAssign(target=ast.Name(id=name), value=value):
            yield from [name] if re.match(r"_?MAX_", name) and is_unlimited(value) else []
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if isinstance(key, ast.Constant) and str(key.value).startswith("MAX_") and is_unlimited(value):
                    yield key.value


def is_unlimited(value):
    """Whether an expression is no number that limits anything: None, zero, below zero, infinity or sys.maxsize."""
    text = ast.unparse(value).lower()
    return bool(re.search(r"\binf\b|'inf|infinity|maxsize|\bnone\b", text)) or bool(re.fullmatch(r"0|-.*|false", text))


@pytest.mark.parametrize("path", sorted(HANDLER.rglob("*.py")), ids=lambda path: path.relative_to(HANDLER).as_posix())
def test_no_module_of_the_function_has_a_fault(path):
    assert list(faults(path.read_text())) == []


@pytest.mark.parametrize(
    "mutant",
    [
        *(
            "import pickle",
            "import _pickle as p",
            "from pickle import loads",
            "import marshal",
            "import shelve",
            "import dbm.gnu",
        ),
        *("import subprocess", "from subprocess import run", "import yaml", "from yaml import load", "import joblib"),
        *("import keras", "from keras.models import load_model", "import tensorflow as tf", "from tensorflow import lite"),
        *("def f():\n    import pickle", "try:\n    import dill\nexcept ImportError:\n    pass"),
        *("importlib.import_module('pickle')", "importlib.import_module(name)", "__import__('pickle')"),
        *("eval(text)", "exec(text)", "compile(text, 'x', 'exec')", "x = [eval(t) for t in y]"),
        *("os.system(key)", "os.popen(key)", "from os import system", "os.fork()", "os.posix_spawn(p, a, e)"),
        *(
            "np.load(file, allow_pickle=True)",
            "np.load(file, allow_pickle=chosen)",
            "np.lib.format.read_array(f, allow_pickle=1)",
        ),
        *("models.load_model(path)", "load(path, safe_mode=False)", "keras.models.model_from_json(text)"),
        *(
            "archive.extractall(path)",
            "tarfile.open(f).extractall()",
            "shutil.unpack_archive(f)",
            "from shutil import unpack_archive",
        ),
        *("PIL.Image.MAX_IMAGE_PIXELS = None", "Image.MAX_IMAGE_PIXELS = 10**12", "from PIL.Image import MAX_IMAGE_PIXELS"),
        *("ImageFile.LOAD_TRUNCATED_IMAGES = True", "setattr(ImageFile, 'LOAD_TRUNCATED_' + 'IMAGES', True)"),
        *("sys.set_int_max_str_digits(0)", "sys.setrecursionlimit(10**6)", "ssl._create_unverified_context()"),
        *("boto3.client('s3', verify=False)", "run(key, shell=True)"),
        *("MAX_LINE_BYTES = None", "_MAX_HEADER_BYTES = sys.maxsize", "MAX_KEYS = math.inf", "MAX_KEYS: float = float('inf')"),
        *(
            "_MAX_DIGITS = 0",
            "MAX_DEPTH = -1",
            "DEFAULTS = {'MAX_OBJECT_BYTES': None}",
            "_MAX = {'MAX_IMAGE_PIXELS': float('inf')}",
        ),
    ],
)
def test_each_rule_finds_its_mutant(mutant):
    assert list(faults(mutant))


@pytest.mark.parametrize(
    "sound",
    [
        *("import re\nre.compile('x')", "np.load(file, allow_pickle=False)", "MAX_KEYS = 2**10", "load_model(read)"),
        *("from handler.model import load_model", "importlib.import_module('_pi_heif')", "DEFAULTS = {'MAX_KEYS': 5}"),
    ],
)
def test_what_is_sound_is_no_fault(sound):
    assert list(faults(sound)) == []


@pytest.mark.parametrize(
    ("name", "least", "reason"),
    [
        ("pillow", (12, 3), "decoders that wrote outside of their buffers"),
        ("keras", (3, 13, 1), "models that ran code, or filled the memory, when they were loaded"),
    ],
)
def test_no_lock_goes_back_to_a_version_with_known_holes(name, least, reason):
    found = [
        version for lock in LOCKS.values() for version in re.findall(rf"^{name}==([\d.]+)", lock.read_text(), re.MULTILINE)
    ]

    assert found
    assert all(tuple(map(int, version.split("."))) >= least for version in found), (
        f"{found}: before {least}, {name} had {reason}"
    )
