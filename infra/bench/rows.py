"""Measures what an object takes in a shard of a backlog, as a share of what it takes in a batch of uploads.

    python -m infra.bench.rows       takes five minutes; `make bench` does without it

The function takes turns at batches of uploads and at a shard of the same objects, in front of the stub of S3, by each client.
The share is of processor time, which changes less than time does with what else the machine works on; `infra.cost.times` holds
it, as the median of five turns: 0.59 by boto3 (0.58 to 0.64), and 0.82 by obstore (0.71 to 0.96), on two busy cores.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from handler.backlog.grouping import MAX_OBJECTS
from infra.bench.contenders import Contender, Running, Stub, Turn, batch_size, running
from infra.bench.race import OWN, keys_in_batches

DELAY_MS = 30
TURNS = 5


@dataclass(frozen=True, slots=True)
class Pair:
    """One turn at batches of uploads, and one at a shard of the same `objects`."""

    objects: int
    batches: Turn
    shard: Turn

    @property
    def share(self) -> float:
        """The share of the processor time of the batches that the shard took."""
        return self.shard.cpu_s / self.batches.cpu_s

    @property
    def logged_bytes(self) -> float:
        """The bytes of the log of an object in the shard."""
        return self.shard.logged_bytes / self.objects


def measure_pairs(stub: Stub, client: str, objects: int, turns: int) -> list[Pair]:
    """Returns what `objects` took in each of some turns; `objects` is a multiple of the batch size, or less than one."""
    size = min(objects, batch_size())
    contenders = [Contender(f"{name}, {client}", client, f"{OWN}.{name}") for name in ("function", "shard")]
    with running(contenders, stub.url) as [function, shard]:
        for one in (function, shard):
            _take_turn(stub, one, keys_in_batches(1, size))  # to warm up
        return [
            Pair(
                objects,
                _take_turn(stub, function, keys_in_batches(objects // size, size)),
                _take_turn(stub, shard, keys_in_batches(1, objects)),
            )
            for _ in range(turns)
        ]


def _take_turn(stub: Stub, one: Running, batches: Sequence[Sequence[str]]) -> Turn:
    stub.reset(DELAY_MS)
    return one.take_turn(batches)


def main() -> None:
    """Prints the shares of each client."""
    for client in ("boto3", "obstore"):
        with Stub(1) as stub:
            pairs = measure_pairs(stub, client, MAX_OBJECTS, TURNS)
        shares = sorted(pair.share for pair in pairs)
        sys.stdout.write(
            f"{client}: {statistics.median(shares):.2f} of the processor time ({shares[0]:.2f} to {shares[-1]:.2f}), "
            f"{statistics.median(pair.logged_bytes for pair in pairs):.2f} bytes of the log\n"
        )


if __name__ == "__main__":
    main()
