"""Strikes every call of a mixed batch with every fault, and says which promises were broken.

python -m tests.infra.sweeping --storage moto --client boto3                                  every pair
python -m tests.infra.sweeping --storage moto --call 'GET uploads/single.png#1' --fault 503   one pair
"""

import argparse
import sys

from infra.cloud.faults import Fault
from tests.infra.sweeping.pairs import CLIENTS, Pair, Sweep, all_pairs, sample, told
from tests.infra.sweeping.table import STORAGES


def main():
    """Runs the pairs that the arguments choose; returns 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--storage", choices=STORAGES, default="moto")
    parser.add_argument("--client", choices=[*CLIENTS, "none"], default="boto3", help="of S3; the store of files has none")
    parser.add_argument("--call", help="the name of one call; all by default")
    parser.add_argument("--fault", choices=list(Fault), type=Fault, help="one fault; all by default")
    parser.add_argument("--sample", type=int, help="the number of pairs, chosen by the seed; all by default")
    parser.add_argument("--seed", type=int, default=27)
    parser.add_argument("--processes", type=int, default=4)
    chosen = parser.parse_args()
    with Sweep(chosen.storage, 1 if chosen.call else chosen.processes) as sweep:
        everything = all_pairs(chosen.storage, chosen.client, sweep.calls(chosen.client))
        pairs = [it for it in everything if chosen.call in {None, it.call} and chosen.fault in {None, it.fault}]
        pairs = sample(pairs, chosen.seed, chosen.sample) if chosen.sample else pairs
        broken = harmless = 0
        for number, (pair, outcome) in enumerate(sweep.run(pairs or [Pair(chosen.client, chosen.call, chosen.fault)]), 1):
            harmless += outcome.is_harmless
            broken += bool(outcome.violations)
            lines = told(chosen.storage, pair, outcome) + [f"{number} of {len(pairs)}"] * (number % 100 == 0)
            sys.stdout.write("".join(f"{line}\n" for line in lines))
            sys.stdout.flush()
    sys.stdout.write(
        f"{len(pairs)} of {len(everything)} pairs on {chosen.storage} by {chosen.client}, {harmless} of which found no byte to "
        f"flip; {broken} broke a promise\n"
    )
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
