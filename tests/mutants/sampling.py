"""Changes the function's code in small ways, one at a time, and counts the changes of which a test fails.

python -m tests.mutants.sampling 1000 27                    a sample of 1,000 mutants, drawn by the seed 27
python -m tests.mutants.sampling 1000 27 handler.documents  the same, of one module or room

mutmut makes the mutants of `handler/`, finds the tests that reach each function, and runs them in a process for each mutant.
All 14,000 take half a day on two cores, so a sample is drawn; the same seed draws the same sample of the same code. A mutant
that survives is shown with its change: it needs a test, or the code that it changed does nothing. `make mutants` runs this.
"""

import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

from mutmut.stats import status_by_exit_code

ROOT = Path(__file__).parent.parent.parent
MUTMUT = Path(sys.executable).with_name("mutmut")
FIRST = "handler.objects.x_parse_prefix__mutmut_1"
COUNTED_AS_KILLED = {"killed", "timeout", "segfault", "caught by type check"}


def results():
    """Returns the status of every mutant, by its name."""
    found = {}
    for path in sorted((ROOT / "mutants" / "handler").rglob("*.meta")):
        found |= json.loads(path.read_text())["exit_code_by_key"]
    return {name: status_by_exit_code[code] for name, code in found.items()}


def main(count, seed, room="handler"):
    """Makes and tries the sample, and prints what became of it."""
    subprocess.run([MUTMUT, "run", FIRST], cwd=ROOT, check=True)  # makes all mutants, and finds the tests that reach each
    names = sorted(name for name in results() if name.startswith(f"{room}."))
    sample = sorted(random.Random(seed).sample(names, min(count, len(names))))
    subprocess.run([MUTMUT, "run", *sample], cwd=ROOT, check=True)
    became = {name: status for name, status in results().items() if name in set(sample)}
    for name in [name for name, status in became.items() if status not in COUNTED_AS_KILLED]:
        subprocess.run([MUTMUT, "show", name], cwd=ROOT, check=True)
    counts = Counter(became.values())
    killed = sum(counts[status] for status in COUNTED_AS_KILLED)
    told = ", ".join(f"{number} {status}" for status, number in counts.most_common())
    sys.stdout.write(f"seed {seed}: {len(sample)} of {len(names)} mutants; {killed / len(sample):.1%} killed ({told})\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
