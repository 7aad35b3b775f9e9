"""Runs over the dead letters once: reads each, sends it back if it was asked for and can go, and says what became of it.

    receive --seen before?--> read --asked for?--> --a way?--> send --taken?--> delete
                                                     else hidden until the run ends, and then shown again

A run ends when the queue gives nothing, or nothing that it has not seen. Letters that stay are shown again while it lasts, once
their hiding has ended: each such receipt hides them anew, and the run goes on, within bounds, until it has met as many letters
as waited when it began. If it ends with fewer, it says so.

What comes back to the dead letters meanwhile is known by the name that it was sent under, or by its age, and stays for the next
run, so that a cause that was not mended makes no circle.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

from infra.errors import InfraError
from infra.redrive.letters import Letter, Reading, Way, read_letter
from infra.redrive.places import THREADS, Begun, Places, Sent

# A thread ends after so many batches in a row of nothing new, of letters whose hiding has ended, if as many were met as waited,
MAX_IDLE = 3
# or if known ones were received so many times as often as letters waited: the count of SQS may be wrong.
MAX_REPEATS = 3
MOST_HIDDEN = 120_000  # letters that were received and stay, about: beyond, SQS answers as if there were no others

_NOT_YET = "the run ended before it was sent"
_CAME_BACK = "it came, or came back, while this ran; mend its cause, then run this again"


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done: letters that are any of `only`, all if it is empty, at most `limit` of them; a trial sends none."""

    only: tuple[str, ...] = ()
    limit: int | None = None
    is_trial: bool = False


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a letter: it was sent (in a trial: would be), or stays for a reason, or, with none, was not asked for."""

    id: str
    reading: Reading
    age_s: float
    left_s: float
    is_sent: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run has done, in the order in which it met the letters; it may have been interrupted, or ended by an error.

    About `hidden` letters could not be received when it began, since something else had received them. About `missed` more had
    waited than it met, though nobody stopped it; `is_cut_short` if that is because of the many that stay.
    """

    fates: tuple[Fate, ...]
    is_interrupted: bool = False
    error: InfraError | None = None
    hidden: int = 0
    missed: int = 0
    is_cut_short: bool = False


Progress = Callable[[int, int], None]


def redrive(places: Places, order: Order, progress: Progress) -> Outcome:
    """Runs over the dead letters once, and returns what it did; `progress` takes the letters met, and about how many there are.

    Raises:
        InfraError: the dead letters cannot be looked at; nothing was done.
    """
    begun = places.begin()
    run = _Run(places, order, begun, progress)
    is_interrupted, missed = False, 0
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            working: list[Future[None]] = []
            try:
                working += [pool.submit(run.work) for _ in range(THREADS)]
                wait(working)
                missed = run.missed
            except KeyboardInterrupt:  # each thread finishes the batch that it has in hand
                is_interrupted = True
            finally:
                run.stop()
        for work in working:
            work.result()  # raises what only a mistake of ours can raise there
    finally:
        run.show_held()
    return Outcome(run.fates, is_interrupted, run.error, begun.hidden, missed, bool(missed) and run.is_cut_short)


class _Run:
    """One run; its threads share what is known of the letters."""

    def __init__(self, places: Places, order: Order, begun: Begun, progress: Progress) -> None:
        self._places = places
        self._order = order
        self._begun = begun
        self._progress = progress
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._fates: dict[str, Fate] = {}
        self._held: dict[str, set[str]] = {}  # by the letters' names; only the last handle is sure to work, whichever that is
        self._marks: set[str] = set()  # of what was sent
        self._claimed = 0
        self._met = 0  # of those that were there when the run began
        self._repeats = 0  # receipts of letters that were known
        self.is_cut_short = False
        self.error: InfraError | None = None

    @property
    def fates(self) -> tuple[Fate, ...]:
        return tuple(self._fates.values())

    @property
    def missed(self) -> int:
        """About how many of the letters that waited were not met; none if the run was stopped, which is told by itself."""
        return 0 if self._is_over.is_set() else max(0, self._begun.waiting - self._met)

    def work(self) -> None:
        """Does batches until there is nothing new, the run is over, or a call fails that any other batch would make too."""
        idle = 0
        try:
            while not self._is_over.is_set():
                if idle >= MAX_IDLE and not self._is_worth_going_on():
                    self.is_cut_short = True
                    return
                letters = self._places.receive()
                if not letters:
                    self.is_cut_short |= len(self._held) >= MOST_HIDDEN
                    return
                idle = 0 if self._do(letters) else idle + 1
                self._progress(len(self._fates), self._begun.waiting)
        except InfraError as error:
            self.error = error
            self.stop()

    def stop(self) -> None:
        """Lets no thread begin another batch."""
        self._is_over.set()

    def show_held(self) -> None:
        """Lets the letters that stay be received again."""
        self._places.show(handle for handles in self._held.values() for handle in handles)

    def _is_worth_going_on(self) -> bool:
        """Returns whether letters are left by the count of SQS, which is approximate and so believed for a time only."""
        return self.missed > 0 and self._repeats < MAX_REPEATS * self._begun.waiting

    def _do(self, letters: Sequence[Letter]) -> bool:
        """Does a batch, and returns whether one of its letters was new."""
        with self._lock:
            known = [letter for letter in letters if letter.id in self._fates]
            self._repeats += len(known)
            read = [(letter, self._judge(letter)) for letter in letters if letter not in known]
            going = [(letter, reading) for letter, reading in read if reading]
            for letter in letters:
                self._held.setdefault(letter.id, set()).add(letter.handle)
            done = [letter for letter in known if self._fates[letter.id].is_sent and not self._order.is_trial]
        try:
            for letter, sent in () if self._order.is_trial else self._places.send(going):
                self._note(letter, sent)
                done += [] if sent.refusal else [letter]
        finally:
            with self._lock:
                handles = {letter.handle for letter in done}.union(*(self._held.get(letter.id, ()) for letter in done))
            self._places.delete(handles)
        with self._lock:
            for letter in done:
                self._held.pop(letter.id, None)
        return bool(read)

    def _judge(self, letter: Letter) -> Reading | None:
        """Decides what becomes of a letter that is met for the first time; returns its reading if it is to go back."""
        reading = read_letter(letter)
        age_s = self._begun.at_s - letter.sent_s
        self._met += age_s > 0
        reason, goes = "", False
        if self._order.only and not reading.is_any_of(self._order.only):
            pass
        elif letter.sent_s >= self._begun.at_s or {letter.id, reading.request_id} & self._marks:
            reason = _CAME_BACK
        elif reading.way is None:
            reason = reading.problem
        elif not self._places.has(reading.way):
            reason = _missing(reading.way)
        elif self._order.limit is None or self._claimed < self._order.limit:
            self._claimed += 1
            goes, reason = True, "" if self._order.is_trial else _NOT_YET
            if self._claimed == self._order.limit:
                self.stop()
        self._fates[letter.id] = Fate(
            id=letter.id,
            reading=replace(reading, content=""),
            age_s=age_s,
            left_s=self._begun.retention_s - age_s,
            is_sent=goes and self._order.is_trial,
            reason=reason,
        )
        return reading if goes else None

    def _note(self, letter: Letter, sent: Sent) -> None:
        """Notes what became of a letter that was to go back."""
        with self._lock:
            if sent.mark:
                self._marks.add(sent.mark)
            self._fates[letter.id] = replace(self._fates[letter.id], is_sent=not sent.refusal, reason=sent.refusal)


def _missing(way: Way) -> str:
    return f"only the {way.value} can take it, which a stack tells: name it with --stack" + (
        ", deployed with Backlogs=on" if way is Way.MACHINE else ""
    )
