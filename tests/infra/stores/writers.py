"""Processes that write to one folder at the same time, and processes that are killed while they write.

    python -m tests.infra.stores.writers race FOLDER
    python -m tests.infra.stores.writers kill FOLDER
    python -m tests.infra.stores.writers kill-at-random FOLDER
    python -m tests.infra.stores.writers fork FOLDER

Each writes what it saw as JSON. These are programs since the tests' own process has threads, and must not be forked.
"""

import hashlib
import io
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from contextlib import closing
from itertools import count
from pathlib import Path

from handler.deadline import Deadline
from handler.objects import ObjectRef, Prefix
from handler.store import WriteResult
from infra.stores.files import FileStore

KEYS, ADDITIONS, KILLS = 40, 60, 60
SYSTEM_CALLS = {"open", "mkdir", "flock", "write", "flush", "replace", "rename", "unlink", "remove"}
OLD, NEW = (b"old" * 100, {"is": "old"}), (b"new" * 100_000, {"is": "new"})
CASES = {
    "create": (None, NEW),
    "replace": (OLD, NEW),
    "replace the metadata": (OLD, (OLD[0], {"is": "new"})),
}


def put(store, key, content, metadata, replacing, deadline=None):
    return store.put(
        ObjectRef("photos", key),
        io.BytesIO(content) if isinstance(content, bytes) else content,
        content_type="text/plain",
        metadata=metadata,
        replacing=replacing,
        deadline=deadline or Deadline.after(60),
    )


def head(store, key):
    return store.head(ObjectRef("photos", key), deadline=Deadline.after(60))


def read(store, key):
    """Returns an object's content and metadata; None if there is none. Its ETag must be that of its content."""
    opened = store.open(ObjectRef("photos", key), deadline=Deadline.after(60))
    if opened is None:
        return None
    with closing(opened.body) as body:
        content = body.read()
    assert opened.source.etag == hashlib.md5(content).hexdigest()
    return content, opened.source.metadata


def read_alone(store, key):
    """Does the same where nobody writes at this moment, so that describing the object must agree with opening it."""
    found = read(store, key)
    described = head(store, key)
    assert (found and found[1]) == (described and described.metadata)
    return found


def tell(value):
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def race(folder):
    """Creates objects that the other process creates too, and adds to a number that it adds to."""
    store = FileStore({"photos": folder})
    tell("ready")
    sys.stdin.readline()
    me = str(os.getpid()).encode()
    won = [key for key in range(KEYS) if put(store, f"{key}", me, {"by": f"{os.getpid()}"}, None) is WriteResult.WRITTEN]
    added = 0
    while added < ADDITIONS:
        content, metadata = read(store, "number")
        assert metadata == {"number": content.decode()}
        number, etag = int(content) + 1, hashlib.md5(content).hexdigest()
        result = put(store, "number", f"{number}".encode(), {"number": f"{number}"}, etag)
        added += result is WriteResult.WRITTEN
    tell(won)


def kill(folder):
    """Kills a writer after each of its calls of the system in turn, until one comes to its end."""
    seen = Counter()
    for name, (old, new) in CASES.items():
        for key in ("a/b", "a//b"):
            for number in count():
                here = folder / f"{name}-{key.count('/')}-{number}"
                here.mkdir()
                store = FileStore({"photos": here})
                if old:
                    put(store, key, *old, None)
                replacing = head(store, key).etag if old else None
                was_killed = run(lambda: put(store, key, *new, replacing), kill_at=number)  # noqa: B023  # called at once
                state = read_alone(store, key)
                assert state in ([old, new] if was_killed else [new]), (name, key, number, state)
                check_that_it_goes_on(store, key, state)
                seen["new" if state == new else "old"] += 1
                if not was_killed:
                    break
    tell(seen)


def check_that_it_goes_on(store, key, state):
    listed = [source.ref.key for source in store.list(Prefix("photos", ""), "", deadline=Deadline.after(60))]
    assert listed == ([key] if state else [])
    last = b"last", {"is": "last"}
    assert put(store, key, *last, head(store, key).etag if state else None) is WriteResult.WRITTEN
    assert read_alone(store, key) == last
    left = [path.name for path in (store.folders["photos"] / ".coatcheck" / "writing").iterdir() if path.suffix != ".lock"]
    assert left == []


def kill_at_random(folder):
    """Kills writers that never end, after a random time; what they write tells what its metadata must be."""
    store, chance = FileStore({"photos": folder}), random.Random(21)
    left, etags = 0, set()

    def write_for_ever():
        while True:
            content = chance.randbytes(chance.randrange(1_000_000))
            present = head(store, "a")
            put(store, "a", content, {"md5": hashlib.md5(content).hexdigest()}, present.etag if present else None)

    for number in range(20 * KILLS):
        if number >= KILLS and left and len(etags) > 1:  # on a busy machine writers come to nothing for long
            break
        assert run(write_for_ever, kill_after_s=chance.uniform(0, 0.02 * (1 + number // KILLS)))
        if state := read_alone(store, "a"):
            assert state[1] == {"md5": hashlib.md5(state[0]).hexdigest()}
            etags.add(state[1]["md5"])
        left += any(path.suffix != ".lock" for path in folder.glob(".coatcheck/writing/*"))
    tell({"killed in the middle": left, "states": len(etags)})


def fork(folder):
    """Forks the process in the middle of a write, and writes again while the child lives."""
    store, children = FileStore({"photos": folder}), []

    class Forking(io.BytesIO):
        def read(self, size=-1):
            children.append(os.fork())
            if not children[-1]:
                time.sleep(60)
            return super().read(size)

    first = put(store, "a", Forking(), {}, None)
    second = put(store, "a", b"2", {}, hashlib.md5(b"").hexdigest(), deadline=Deadline.after(5))
    for child in children:
        os.kill(child, signal.SIGKILL)
    tell([first.name, second.name])


def run(function, *, kill_at=None, kill_after_s=None):
    """Runs a function in a process of its own, and returns whether the process was killed."""
    child = os.fork()
    if not child:
        events = count()

        def die_in_time(_, event, function):
            if event == "c_return" and function.__name__ in SYSTEM_CALLS and next(events) == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.setprofile(die_in_time)
        try:
            function()
        finally:
            os._exit(0)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    {"race": race, "kill": kill, "kill-at-random": kill_at_random, "fork": fork}[sys.argv[1]](Path(sys.argv[2]))
