"""Measures start-up times and peak memory, each in a Python process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

from infra.bench.function import ENVIRONMENT
from infra.bench.measurement import RUNS, Measurement
from infra.errors import InfraError

# These print milliseconds from the start of `import` to a function that is ready for its first event.
_START_HANDLER = "import handler.app; handler.app.build_parts()"
_START_TENSORFLOW = "import tensorflow"
_TIMED = "import time; began = time.perf_counter(); {code}; print((time.perf_counter() - began) * 1e3)"
# VmHWM is the kernel's high-water mark of this process: ru_maxrss would begin at that of the process which started it.
_PEAK = (
    "from infra.bench.function import score_stream; score_stream({images}, at_once={at_once})\n"
    "from infra.bench.turns import peak_mib; print(peak_mib())"
)
IMAGES_OF_1_GB = 1_275_000


def measure_starts() -> Iterator[Measurement]:
    """Yields the milliseconds that the function needs to start, and those that TensorFlow would need.

    Raises:
        InfraError: one of them does not start.
    """
    for label, code in (
        ("cold start: import, settings, model", _START_HANDLER),
        ("for comparison: import tensorflow", _START_TENSORFLOW),
    ):
        yield Measurement(label, [run_program(_TIMED.format(code=code)) for _ in range(RUNS)], "ms")


def measure_memory() -> Iterator[Measurement]:
    """Yields the peak memory of scoring one object, in MiB, for objects of several sizes.

    Raises:
        InfraError: the system is not Linux, whose /proc tells the peak.
    """
    for images in (10_000, 100_000, 1_000_000):
        label = f"peak memory, one IDX object of {images:,}, read as it arrives"
        yield Measurement(label, [run_program(_PEAK.format(images=images, at_once=False))], "MiB")


def measure_large_object() -> float:
    """Returns the peak memory of scoring one object of 1 GB, in MiB.

    Raises:
        InfraError: it was not scored.
    """
    return run_program(_PEAK.format(images=IMAGES_OF_1_GB, at_once=True))


def run_program(program: str) -> float:
    """Returns the number that `program` prints last, in a Python process that finds the project on its path.

    Raises:
        InfraError: the program fails; the message holds the last line of its error output.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MODEL_"))} | ENVIRONMENT
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().rpartition("\n")[2]
        raise InfraError(f"Expected this program to succeed: {program!r}. Received: {reason}")
    return float(done.stdout.splitlines()[-1])
