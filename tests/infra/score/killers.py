"""Work for processes that is fatal for some objects, in the place of scoring."""

import os
import signal

from handler.outcomes import Outcome
from infra.score.tally import Tally
from infra.score.worker import Scored


def kill_for_bombs(_job, chunk):
    """Ends the process by SIGKILL, as the system does for want of memory, if an object of the chunk is a bomb."""
    if any("bomb" in item.key for item in chunk):
        os.kill(os.getpid(), signal.SIGKILL)
    tally = Tally()
    for _ in chunk:
        tally.add_object(Outcome.SCORED, "", "")
    return [Scored(item, Outcome.SCORED, None) for item in chunk], tally


def fail(_job, _chunk):
    raise ValueError("a bug")
