"""A function whose shards do what their events tell, so that a test decides what happens. The cloud's processes import it."""

import os
import signal
import sys
import time
from pathlib import Path

OUTPUT = "coatcheck-output-123456789012"

PATIENCE_S = 60  # on a machine that is busy


class BadSettings(Exception):
    """An error that no step is repeated after."""


def answer(event, context):
    """Does a step: each attempt of a shard leaves a line with its process in the folder FOLDER, in a file of its number."""
    folder = Path(os.environ["FOLDER"])
    if event["job"] == "plan":
        places = {"bucket": OUTPUT, "shards_key": "shards.json", "results_prefix": "results"}
        return event | places | {"is_planned": True, "plan": {"shards": event.get("shards", 1)}}
    if event["job"] == "summarise":
        return {"run": event["run"], "attempts": attempts(folder)}
    with (folder / str(event["number"])).open("a") as file:
        print(os.getpid(), file=file)
    act(event.get("do", ""), folder, is_first=attempts(folder)[str(event["number"])] == 1)
    return {"number": event["number"], "process": os.getpid(), "left_ms": context.get_remaining_time_in_millis()}


def act(what, folder, *, is_first):
    if what == "fail once" and is_first:
        raise ValueError("the first attempt fails")
    if what == "fail for good":
        raise BadSettings("every attempt fails")
    if what == "be killed once" and is_first:
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "exit":
        sys.exit(3)
    if what == "meet":
        wait_until(lambda: len(attempts(folder)) == 2)
    if what == "wait":
        wait_until((folder / "go").exists)


def attempts(folder):
    """The number of attempts of each shard that was begun, by its number."""
    return {path.name: len(path.read_text().splitlines()) for path in sorted(folder.iterdir()) if path.name.isdigit()}


def wait_until(is_true):
    ends = time.monotonic() + PATIENCE_S
    while not is_true():
        if time.monotonic() > ends:
            raise TimeoutError(f"waited for {PATIENCE_S} seconds")
        time.sleep(0.01)
