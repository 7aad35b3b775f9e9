"""Has several processes score chunks of objects, and survives whatever kills one of them.

A process may be killed by the system, for its memory, or by a decoder that crashes. Then the chunks that it may have worked on
are scored once more, alone and one object at a time, so that the object that kills fails alone. Nothing is lost by that, since
an object whose document is there is passed over.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field

from handler.outcomes import Outcome
from infra.score.sources import Item
from infra.score.tally import Tally
from infra.score.worker import Job, Scored, ignore_interrupts, score_chunk

CHUNKS_AHEAD = 32  # for each process, so that a large object holds up no other

KILLED = "ProcessKilled"

_KILLED_MESSAGE = "Expected to score {}. Received: the end of the process, killed by the system or by a decoder that crashed."

Chunk = tuple[Item, ...]
Result = tuple[list[Scored], Tally]


@dataclass(slots=True)
class Processes:
    """Up to `count` processes that score chunks for one job, by `work`."""

    job: Job
    count: int
    work: Callable[[Job, Chunk], Result] = score_chunk
    _pool: ProcessPoolExecutor | None = None
    _pending: deque[tuple[Chunk, Future[Result]]] = field(default_factory=deque)

    def score(self, chunks: Iterable[Chunk]) -> Iterator[Result]:
        """Yields the result of each chunk, in their order; chunks are taken ahead of it.

        The processes are killed at the end, also if the caller leaves early or is interrupted.
        """
        try:
            for chunk in chunks:
                self._pending.append((chunk, self._submit(chunk)))
                while len(self._pending) >= CHUNKS_AHEAD * self.count:
                    yield self._next()
            while self._pending:
                yield self._next()
        finally:
            self._end()

    def _next(self) -> Result:
        _, future = self._pending[0]
        try:
            result = future.result()
        except BrokenProcessPool:
            self._recover()
            return self._next()
        self._pending.popleft()
        return result

    def _recover(self) -> None:
        """Scores the chunks that were under way one object at a time, and hands out the others again."""
        self._end()
        lost = [number for number, (_, future) in enumerate(self._pending) if _is_lost(future)]
        suspects = set(lost[: self.count])  # chunks are begun in their order
        for number in lost:
            chunk, _ = self._pending[number]
            self._pending[number] = (chunk, self._isolate(chunk) if number in suspects else self._submit(chunk))

    def _isolate(self, chunk: Chunk) -> Future[Result]:
        scored: list[Scored] = []
        tally = Tally()
        for item in chunk:
            try:
                ones, counts = self._submit((item,)).result()
            except BrokenProcessPool:
                self._end()
                ones, counts = [Scored(item, Outcome.FAILED, None)], Tally()
                counts.add_object(Outcome.FAILED, KILLED, _KILLED_MESSAGE.format(item))
            scored += ones
            tally.add(counts)
        done: Future[Result] = Future()
        done.set_result((scored, tally))
        return done

    def _submit(self, chunk: Chunk) -> Future[Result]:
        """Hands out a chunk, which may start another process; that inherits that nothing interrupts it.

        A process may die at any time, also while the next chunk is still looked for. Then the chunk is lost like those before
        it, and waits with them for `_recover`.
        """
        pool = self._pool = self._pool or ProcessPoolExecutor(
            self.count, multiprocessing.get_context("spawn"), ignore_interrupts
        )
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return pool.submit(self.work, self.job, chunk)
        except BrokenProcessPool as error:
            lost: Future[Result] = Future()
            lost.set_exception(error)
            return lost
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _end(self) -> None:
        """Kills the processes; a document that one of them was writing is not there, or whole."""
        pool, self._pool = self._pool, None
        if pool:
            for process in multiprocessing.active_children():
                process.kill()
            pool.shutdown(cancel_futures=True)


def _is_lost(future: Future[Result]) -> bool:
    return future.cancelled() or isinstance(future.exception(), BrokenProcessPool)
