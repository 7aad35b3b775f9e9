"""Processes that score the same objects at the same time, while some of these are overwritten, leave what a single one does."""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from handler.deadline import Deadline
from handler.objects import ObjectRef, Prefix
from infra.stores.files import FileStore
from tests.infra.stores.scorers import INPUT, OUTPUT, score, scorer_in

ROOT = Path(__file__).parents[3]
PICTURES = sorted((ROOT / "events" / "images").glob("*.png"))
OBJECTS, OVERWRITTEN = 24, 6
KEYS = [f"uploads/{number:02}/{number}.png" for number in range(OBJECTS)]


def old(number):
    return PICTURES[number].read_bytes() if number % 6 else b"no image %d" % number


def new(number):
    return PICTURES[-number - 1].read_bytes()


class InFiles:
    """Two folders, of inputs and of documents; an upload takes the place of a file in one step."""

    def __init__(self, folder):
        self.argument = str(folder)
        self.folder = folder
        for name in ("in", "out"):
            (folder / name).mkdir(parents=True)

    def upload(self, key, content):
        place, part = self.folder / "in" / key, self.folder / "part"
        place.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(place)

    def documents(self):
        store, deadline, found = FileStore({OUTPUT: self.folder / "out"}), Deadline.after(60), {}
        for listed in store.list(Prefix(OUTPUT, "predictions/uploads/"), "", deadline=deadline):
            with closing(store.open(ObjectRef(OUTPUT, listed.ref.key), deadline=deadline).body) as body:
                found[listed.ref.key] = body.read()
        return found


class InS3:
    """Two buckets of a server."""

    argument = "-"

    def __init__(self, s3):
        self.s3 = s3
        for bucket in (INPUT, OUTPUT):
            s3.create_bucket(Bucket=bucket)

    def upload(self, key, content):
        self.s3.put_object(Bucket=INPUT, Key=key, Body=content)

    def documents(self):
        listed = self.s3.list_objects_v2(Bucket=OUTPUT, Prefix="predictions/uploads/")["Contents"]
        return {row["Key"]: self.s3.get_object(Bucket=OUTPUT, Key=row["Key"])["Body"].read() for row in listed}


def start(place, seed):
    command = [sys.executable, "-m", "tests.infra.stores.scorers", place.argument, str(seed)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ))


def race(place, processes, seed):
    """Scores from a barrier on, and overwrites objects meanwhile, whose events come last; returns what each process did."""
    chance = random.Random(seed)
    overwritten = chance.sample(range(OBJECTS), OVERWRITTEN)
    running = [start(place, seed + number) for number in range(processes)]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:
        process.stdin.write(json.dumps(sorted(chance.sample(KEYS, OBJECTS * 3 // 4))) + "\n")
        process.stdin.flush()
    for number in overwritten:
        place.upload(KEYS[number], new(number))
    ended = [json.loads(process.communicate(timeout=120)[0]) for process in running]
    assert [process.returncode for process in running] == [0] * processes
    last = score(scorer_in(place.argument), KEYS)
    return overwritten, [*ended, last]


def serial_documents(folder, overwritten):
    place = InFiles(folder)
    for number, key in enumerate(KEYS):
        place.upload(key, new(number) if number in overwritten else old(number))
    score(scorer_in(place.argument), KEYS)
    return place.documents()


def check(place, folder, processes, seed):
    for number, key in enumerate(KEYS):
        place.upload(key, old(number))

    overwritten, ended = race(place, processes, seed)

    assert place.documents() == serial_documents(folder, overwritten), f"seed {seed}"
    assert len(place.documents()) == OBJECTS
    outcomes = Counter((key, outcome) for outcomes in ended for key, outcome in outcomes.items())
    assert {outcome for _, outcome in outcomes} <= {"scored", "rejected", "duplicate", "superseded", "failed"}
    assert {key for key, outcome in outcomes if outcome == "failed"} <= {KEYS[number] for number in overwritten}
    return [outcomes[key, "scored"] + outcomes[key, "rejected"] for number, key in enumerate(KEYS) if number not in overwritten]


@pytest.mark.parametrize("processes", [3, pytest.param(8, marks=pytest.mark.soak)])
@pytest.mark.parametrize("seed", [27, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(10))])
def test_processes_at_once_on_files_write_the_documents_of_a_single_one_each_once(environment, tmp_path, processes, seed):
    written = check(InFiles(tmp_path / "raced"), tmp_path / "serial", processes, seed)

    assert written == [1] * (OBJECTS - OVERWRITTEN)


@pytest.mark.parametrize("processes", [2, pytest.param(8, marks=pytest.mark.soak)])
def test_processes_at_once_on_s3_write_the_documents_of_a_single_one(s3_server, tmp_path, processes):
    """The server itself may take two writes of which each is to be the first, so that they are not counted."""
    assert min(check(InS3(s3_server), tmp_path / "serial", processes, 27)) >= 1
