"""Has SPIN check the model of the protocol, `publish.pml`, in one case after another, and writes the parts of docs/protocol.md.

    python -m tests.handler.protocol.checking        writes them anew; a test fails as long as they are out of date

SPIN makes a C program of the model, which visits every state that can be reached. A model that is to hold is searched depth
first, with states compressed; a counterexample is searched breadth first, so that it is the shortest.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
MODEL = HERE / "publish.pml"
PAGE = HERE.parent.parent.parent / "docs" / "protocol.md"

MAX_MEMORY_MB = 2000
MAX_DEPTH = 10**6  # of the search, so that no schedule is cut off

UNVERSIONED = {"VERSIONED": 0}
SWEPT = UNVERSIONED | {"SWEPT": 1}
TWO_CHANGES = {"CHANGES": 2}
NO_REPEATS = UNVERSIONED | TWO_CHANGES | {"REPEATS": 0}


@dataclass(frozen=True)
class Result:
    """What SPIN found: the number of states, and the promise that is broken, after the fewest steps, if one is."""

    states: int
    broken: str | None = None
    depth: int | None = None


@dataclass(frozen=True)
class Case:
    """A case in which every promise holds, or, if it is `broken`, the one that does not."""

    words: str
    switches: Mapping[str, int]
    broken: str | None = None


@dataclass(frozen=True)
class Guard:
    """A guard of the protocol, by its switch, and a promise that is broken without it, in the smallest case in which it is."""

    switch: str
    words: str
    promise: str
    case: Mapping[str, int] = field(default_factory=dict)

    @property
    def switches(self) -> dict[str, int]:
        return {**self.case, self.switch: 0, "ONLY": int(self.promise[1])}


CASES = (
    Case("versions, late writes", {"LATE": 1}),
    Case("versions, three workers, two changes", {"WORKERS": 3, "CHANGES": 2}),
    Case("versions, late writes, without the two last looks", {"LATE": 1, "LAST_LOOK": 0, "LOOK_AT_OWN": 0}),
    Case("no versions", UNVERSIONED),
    Case("no versions, three workers", {**UNVERSIONED, "WORKERS": 3}),
    Case("no versions, asked for by sweeps", SWEPT),
    Case("no versions, late writes, no content comes back", {**UNVERSIONED, "REPEATS": 0, "LATE": 1, "TWINS_STAY": 0}),
    Case("no versions, late writes", {**UNVERSIONED, "LATE": 1}, broken="P1"),
    Case("no versions, a failed copy of a message that is done is gone", {**UNVERSIONED, "TWINS_STAY": 0}, broken="P1"),
)
LARGE_CASES = (
    Case("versions, late writes, three workers, two changes", {"LATE": 1, "WORKERS": 3, "CHANGES": 2}),
    Case("versions, four changes", {"CHANGES": 4}),
    Case("versions, three workers", {"WORKERS": 3}),
    Case("no versions, three workers, four changes", {**UNVERSIONED, "WORKERS": 3, "CHANGES": 4}),
)

GUARDS = (
    Guard("CREATE_IF_NONE", "a first document is written with `If-None-Match: *`", "P1", TWO_CHANGES),
    Guard("KEEP_EQUAL", "a document with equal metadata is kept", "P3", TWO_CHANGES),
    Guard("COMPARE_ETAG", "these name the input's ETag", "P1", UNVERSIONED | TWO_CHANGES),
    Guard("COMPARE_VERSION", "these name the input's version", "P1", {"LATE": 1, "BY_ETAG": 1, "TWINS_STAY": 1}),
    Guard("CONTENT_VERSION", "the document names the version too, so that its own ETag is another", "P2"),
    Guard("LOOK_IF_GONE", "nothing is replaced if the input is gone", "P2"),
    Guard(
        "LOOK_AT_ETAG", "nothing is replaced if the input has another ETag", "P2", UNVERSIONED | TWO_CHANGES | {"REPEATS": 0}
    ),
    Guard("LOOK_AT_VERSION", "nothing is replaced if the input has another version", "P1", TWO_CHANGES),
    Guard("LOOK_AFTER_FIND", "the document is looked at first, and the input after it", "P2", TWO_CHANGES),
    Guard("IF_MATCH", "a document is replaced with `If-Match`", "P2"),
    Guard("RETRY_CONFLICT", "a first document that met another write is tried again", "P1", TWO_CHANGES),
    Guard("RETRY_STOPPED", "a replacement that was stopped is tried again", "P1", TWO_CHANGES),
    Guard("GIVE_UP_FAILED", "the event fails if every attempt was lost", "P1", TWO_CHANGES),
    Guard("LAST_LOOK", "the input is looked at again after a replacement", "P1", UNVERSIONED),
    Guard("LOOK_AT_OWN", "and if a further attempt finds an equal document", "P1", UNVERSIONED),
    Guard(
        "IS_DONE_ETAG", "what a sweep asks for is done only if the ETag is the present one", "P1", UNVERSIONED | {"SWEPT": 1}
    ),
    Guard("REDELIVER", "a message that failed comes again", "P4", TWO_CHANGES),
)


TOLD = ("LAST_LOOK", "COMPARE_VERSION")  # the guards without which the counterexample is told in words


def prove(switches: Mapping[str, int], folder: Path) -> Result:
    """Searches every state of a case that is to hold; `folder` takes the files."""
    _build(switches, folder, "-DCOLLAPSE")
    return _run(folder, f"-m{MAX_DEPTH}")


def refute(switches: Mapping[str, int], folder: Path) -> Result:
    """Searches the shortest counterexample in a case."""
    _build(switches, folder, "-DBFS", "-DNOREDUCE")
    return _run(folder)


def tell(switches: Mapping[str, int], folder: Path) -> list[str]:
    """Returns the steps of the counterexample that `refute` found in a case, in words."""
    trail = str(folder / f"{MODEL.name}.trail")
    told = _call(folder, "spin", "-t", "-T", *_defines(switches), "-k", trail, str(MODEL))
    return [line.strip() for line in told.splitlines() if re.match(r"(The|Upload|Worker) .*\.$", line)]


def _build(switches: Mapping[str, int], folder: Path, *options: str) -> None:
    _call(folder, "spin", "-a", *_defines(switches), str(MODEL))
    _call(folder, "gcc", "-w", "-DSAFETY", f"-DMEMLIM={MAX_MEMORY_MB}", *options, "-o", "pan", "pan.c")


def _run(folder: Path, *options: str) -> Result:
    return read(_call(folder, "./pan", *options))


def read(output: str) -> Result:
    """Reads what SPIN's program prints.

    Raises:
        RuntimeError: it did not search everything, or ended by something else than a broken promise.
    """
    states = re.search(r"^ +(\d+) states, stored", output, re.MULTILINE)
    complaints = re.findall(r"^pan:1: (.*)$|^(error: max search depth.*|.*[Ss]earch not completed.*)$", output, re.MULTILINE)
    broken = re.search(r"^pan:1: assertion violated (P\d) \(at depth (\d+)\)$", output, re.MULTILINE)
    if not states or (not broken and (complaints or "errors: 0" not in output)):
        raise RuntimeError(f"Expected a search of every state, or a broken promise. Received:\n{output}")
    return Result(int(states[1]), broken[1], int(broken[2])) if broken else Result(int(states[1]))


def _defines(switches: Mapping[str, int]) -> list[str]:
    return [f"-D{name}={value}" for name, value in switches.items()]


def _call(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"Expected {command[0]} to succeed. Received: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def table_of_cases(results: Iterable[tuple[Case, Result]]) -> str:
    """Returns the table of the cases, in Markdown."""
    rows = [f"| {case.words} | {_verdict(result)} | {result.states:,} |" for case, result in results]
    return "\n".join(["| case | | states |", "|---|---|---:|", *rows])


def table_of_guards(results: Iterable[tuple[Guard, Result]]) -> str:
    """Returns the table of the guards, in Markdown."""
    rows = [
        f"| `{guard.switch}`: {guard.words} | {'no' if guard.case.get('VERSIONED') == 0 else 'yes'} | {result.broken} "
        f"| {result.depth} | {result.states:,} |"
        for guard, result in results
    ]
    return "\n".join(["| guard | versions | broken | depth | states |", "|---|---|---|---:|---:|", *rows])


def list_of_steps(steps: Iterable[str]) -> str:
    """Returns the steps of a counterexample, in Markdown."""
    return "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))


def _verdict(result: Result) -> str:
    return f"{result.broken} is broken at depth {result.depth}" if result.broken else "all hold"


def fill(page: str, name: str, text: str) -> str:
    """Returns a page with the part between the marks of `name` replaced."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    head, rest = page.split(begin)
    return f"{head}{begin}\n{text}\n{end}{rest.split(end)[1]}"


def write_page() -> None:
    """Writes all tables and the counterexamples of docs/protocol.md anew."""
    guards = []
    with tempfile.TemporaryDirectory() as name:
        folder, page = Path(name), PAGE.read_text()
        cases = [(one, (refute if one.broken else prove)(one.switches, folder)) for one in (*CASES, *LARGE_CASES)]
        for guard in GUARDS:
            guards.append((guard, refute(guard.switches, folder)))
            if guard.switch in TOLD:
                page = fill(page, f"without {guard.switch}", list_of_steps(tell(guard.switches, folder)))
    PAGE.write_text(fill(fill(page, "cases", table_of_cases(cases)), "guards", table_of_guards(guards)))


if __name__ == "__main__":
    write_page()
