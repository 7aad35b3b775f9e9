"""The real function with something in its way, for processes of the embedded cloud; `BACKLOG_FOLDER` is a test's folder."""

import os
import time
from pathlib import Path

from handler.app import lambda_handler
from handler.errors import BadSettings


def slow(event, context):
    """Does the first shard at once, and the others when the test has written the file `fast`."""
    while event.get("job") == "shard" and event["number"] > 1 and not (Path(os.environ["BACKLOG_FOLDER"]) / "fast").exists():
        time.sleep(0.05)
    return lambda_handler(event, context)


def broken(event, context):
    """Fails with the second shard, until the test writes the file `mended`."""
    if event.get("job") == "shard" and event["number"] == 2 and not (Path(os.environ["BACKLOG_FOLDER"]) / "mended").exists():
        raise BadSettings("Expected the second shard to be mended. Received: not yet.")
    return lambda_handler(event, context)
