"""Strikes every call of a mixed batch with every fault, and says which promises were broken.

python -m tests.infra.sweeping --storage moto --client boto3                                  every pair
python -m tests.infra.sweeping --storage moto --call 'GET uploads/single.png#1' --fault 503   one pair
"""

import argparse
import sys
import time
from contextlib import nullcontext

from infra.cloud.faults import Fault
from tests.infra.sweeping.pairs import Pair, Sweep, all_pairs, replay, sample
from tests.ministack import serve as serve_ministack


def main():
    """Runs the pairs that the arguments choose; returns 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--storage", choices=["moto", "ministack"], default="moto")
    parser.add_argument("--client", choices=["boto3", "obstore"], default="boto3")
    parser.add_argument("--call", help="the name of one call; all by default")
    parser.add_argument("--fault", choices=list(Fault), type=Fault, help="one fault; all by default")
    parser.add_argument("--sample", type=int, help="the number of pairs, by a seed; all by default")
    parser.add_argument("--seed", type=int, default=27)
    parser.add_argument("--processes", type=int, default=4)
    chosen = parser.parse_args()
    upstream = serve_ministack() if chosen.storage == "ministack" else nullcontext()
    with upstream as endpoint, Sweep(chosen.storage, endpoint, 1 if chosen.call else chosen.processes) as sweep:
        everything = all_pairs(chosen.client, sweep.calls(chosen.client))
        pairs = [pair for pair in everything if chosen.call in {None, pair.call} and chosen.fault in {None, pair.fault}] or [
            Pair(chosen.client, chosen.call, chosen.fault)
        ]
        if chosen.sample:
            pairs = sample(pairs, chosen.seed, chosen.sample)
        broken = harmless = 0
        began = time.monotonic()
        for number, (pair, outcome) in enumerate(sweep.run(pairs), 1):
            harmless += outcome.is_harmless
            broken += bool(outcome.violations)
            for violation in outcome.violations:
                sys.stdout.write(f"{violation}\n")
            if outcome.violations:
                sys.stdout.write(f"    {replay(chosen.storage, pair)}\n")
            if number % 100 == 0:
                sys.stdout.write(f"{number} of {len(pairs)}, {time.monotonic() - began:.0f} s\n")
            sys.stdout.flush()
    sys.stdout.write(
        f"{len(pairs)} of {len(everything)} pairs on {chosen.storage} by {chosen.client}, {harmless} of which found no byte to "
        f"flip; {broken} broke a promise\n"
    )
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
