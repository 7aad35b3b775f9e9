"""Kills the workers of a backlog at random points, until so many kills are done, and then lets it finish.

python -m tests.handler.backlog.killing 1000000 100        a million generated images, by hand: it takes some twenty minutes

A worker that is killed makes no call any more from then on. The call at which it is killed has had its effect, or not, as
chance decides. Several workers work at the same time, some of them on the same shard; all of them are killed together, as when
a machine goes down. Then the state machine begins anew, as a second start of the same run does.
"""

import io
import itertools
import random
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import msgspec

from handler.contract import Model
from handler.objects import ObjectRef
from handler.store import OpenObject, StoredObject
from infra.stores.memory import MemoryStore
from tests.handler.backlog.world import INPUT, UPLOADS, World, picture
from tests.handler.conftest import LIMITS, fake_classify, make_manifest
from tests.handler.values import MAKER

WORKERS = 3


class Killed(BaseException):
    """Raised by every call of a process that was killed; nothing catches it."""


class Mortal:
    """A store that is killed at the call `at`, which has its effect or not; None if it is never killed."""

    def __init__(self, store, at, chance):
        self._store, self._at, self._chance = store, at, chance
        self._count, self._lock = itertools.count(1), threading.Lock()
        self.is_dead = False

    def _call(self, method, *args, **options):
        with self._lock:
            if self.is_dead:
                raise Killed
            self.is_dead = next(self._count) == self._at
            dies, takes_effect = self.is_dead, self._chance.random() < 0.5
        if dies and not takes_effect:
            raise Killed
        answer = method(*args, **options)
        if dies:
            raise Killed
        return answer

    def open(self, *args, **options):
        return self._call(self._store.open, *args, **options)

    def head(self, *args, **options):
        return self._call(self._store.head, *args, **options)

    def put(self, *args, **options):
        return self._call(self._store.put, *args, **options)

    def list(self, *args, **options):
        return iter(self._call(lambda: [*self._store.list(*args, **options)]))


def start(world, chance, run):
    """Does what the state machine does, from the beginning, with each shard once or, sometimes, twice at the same time."""
    shards = world.shards(world.plan(run))
    chance.shuffle(shards)
    doubled = [shard for shard in shards for _ in range(chance.choice([1, 1, 1, 2]))]
    with ThreadPoolExecutor(WORKERS) as pool:
        for done in [pool.submit(world.do, shard) for shard in doubled]:
            done.result()
    return world.do({"job": "summarise", "run": run})


def kill_until_done(store, make_world, kills, most_calls, seed, run="first", tell=lambda _line: None):
    """Starts a run again and again, killed at a random call each time, and at last to its end; returns the summary."""
    chance = random.Random(seed)
    for number in range(kills):
        mortal = Mortal(store, chance.randint(1, most_calls), chance)
        try:
            start(make_world(mortal), chance, run)
        except Killed:
            tell(f"killed {number + 1} times")
    return start(make_world(store), chance, run)


class Generated(MemoryStore):
    """A store in memory with `count` small pictures in its input, none of which takes memory."""

    def __init__(self, count):
        super().__init__()
        self._count = count
        self._pictures = [picture(number) for number in range(256)]
        self._etags = [self.place(ObjectRef("nowhere", "a.png"), content).etag for content in self._pictures]

    def _describe(self, number):
        content = self._pictures[number % 256]
        source = StoredObject(ObjectRef(INPUT, f"uploads/{number:09}.png"), self._etags[number % 256], None, len(content))
        return msgspec.structs.replace(source, last_modified=self.clock())

    def open(self, ref, **options):
        if ref.bucket != INPUT:
            return super().open(ref, **options)
        number = int(ref.name.removesuffix(".png"))
        return OpenObject(self._describe(number), io.BytesIO(self._pictures[number % 256]))

    def list(self, prefix, after, **options):
        if prefix.bucket != INPUT:
            yield from super().list(prefix, after, **options)
        elif prefix == UPLOADS:
            begin = int(after.rpartition("/")[2].removesuffix(".png")) + 1 if after else 0
            yield from map(self._describe, range(begin, self._count))


def say(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(count, kills):
    """Does it with `count` generated pictures, and prints what came of it."""
    store, began, first = Generated(count), time.monotonic(), []
    model = Model(make_manifest(), fake_classify, "f" * 64)
    place = World(model, LIMITS, another=model, store=store).places.rows_of(MAKER.results, "first")

    def make_world(of):
        return World(model, LIMITS, another=model, store=of)

    def look(method, ref):
        if method == "create" and not first and place.holds(ref):
            first.append(time.monotonic() - began)

    store.before = look
    summary = kill_until_done(store, make_world, kills, count // 100, seed=1, tell=say)
    keys = Counter(make_world(store).row_keys())
    say(summary)
    say(f"{len(keys)} objects have a row, {sum(n > 1 for n in keys.values())} twice; {count - len(keys)} have none")
    say(f"the first rows after {first[0]:.1f} s, all after {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
