"""The pairs of a call and a fault: all of them, a sample that leaves no fault and no operation out, and their runs."""

import multiprocessing
import random
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.util import Finalize
from pathlib import Path

from infra.cloud.faults import Fault
from tests.infra.sweeping.file_world import FileWorld
from tests.infra.sweeping.table import reason
from tests.infra.sweeping.world import Outcome, World, open_world

CLIENTS = ("boto3", "obstore")


@dataclass(frozen=True, slots=True)
class Pair:
    """A call that is struck by a fault, in the runs of one client."""

    client: str
    call: str
    fault: Fault

    @property
    def operation(self):
        """The operation of the call, without its key."""
        return self.call.partition(" ")[0].partition("#")[0]


def all_pairs(storage: str, client: str, calls: Iterable[str]) -> list[Pair]:
    """Returns every pair of a call and a fault that strikes it; `tests.infra.sweeping.table` has the reasons of the others."""
    pairs = [Pair(client, call, fault) for call in sorted(calls) for fault in Fault]
    return [pair for pair in pairs if reason(storage, pair.operation, pair.fault) is None]


def sample(pairs: Iterable[Pair], seed: int, count: int | None = None) -> list[Pair]:
    """Returns `count` pairs, first those that hold every fault and every operation at least once; these alone by default."""
    rest = sorted(pairs, key=str)
    random.Random(seed).shuffle(rest)
    chosen: list[Pair] = []
    missing = {pair.operation for pair in rest}
    for fault in Fault:
        struck = sorted((pair for pair in rest if pair.fault is fault), key=lambda pair: pair.operation not in missing)
        chosen += struck[:1]
        missing -= {pair.operation for pair in struck[:1]}
    assert not missing, "there are more operations than faults"
    rest = [pair for pair in rest if pair not in chosen]
    return (chosen + rest)[: len(chosen) if count is None else count]


def told(storage: str, pair: Pair, outcome: Outcome) -> list[str]:
    """Returns the promises that were broken, and last the command that runs the pair again; empty if none was."""
    return [*outcome.violations, replay(storage, pair)] if outcome.violations else []


def replay(storage: str, pair: Pair) -> str:
    """Returns the command that runs a pair again."""
    where = f"--storage {storage} --client {pair.client}"
    return f"python -m tests.infra.sweeping {where} --call '{pair.call}' --fault {pair.fault}"


class Sweep:
    """Runs pairs on a storage, in `processes` each of which has a world of its own, until it is closed."""

    def __init__(self, storage: str, processes: int = 1) -> None:
        self.storage = storage
        self._pool = ProcessPoolExecutor(
            processes, multiprocessing.get_context("spawn"), initializer=_open, initargs=(storage,)
        )

    def calls(self, client: str) -> tuple[str, ...]:
        """Returns the calls that the batch makes if nothing strikes it; raises AssertionError if that breaks a promise."""
        outcome = self._pool.submit(_learn, client).result()
        assert not outcome.violations, outcome.violations
        return outcome.calls

    def run(self, pairs: Iterable[Pair]) -> Iterator[tuple[Pair, Outcome]]:
        """Yields what came of each pair, in their order."""
        pairs = list(pairs)
        return zip(pairs, self._pool.map(_run, pairs), strict=True)

    def close(self) -> None:
        """Ends the processes."""
        self._pool.shutdown(cancel_futures=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


_world: list[World | FileWorld] = []  # of this process
_learnt: dict[str, Outcome] = {}


def _open(storage: str) -> None:
    stack = ExitStack()
    if storage == "files":
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        _world.append(FileWorld(Path(folder)))
    else:
        _world.append(stack.enter_context(open_world(storage)))
    Finalize(None, stack.close, exitpriority=10)


def _learn(client: str) -> Outcome:
    if client not in _learnt:
        _learnt[client] = _world[0].learn(client)
    return _learnt[client]


def _run(pair: Pair) -> Outcome:
    _learn(pair.client)
    return _world[0].run(pair.client, pair.call, pair.fault)
