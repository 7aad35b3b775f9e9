"""Start-up messages are removed from standard error, and nothing else is."""

import os
import subprocess
import sys
from pathlib import Path

from training.startup import without_startup_messages

ROOT = Path(__file__).parents[2]


def test_informational_messages_are_removed_and_others_are_passed_on(capfd):
    with without_startup_messages():
        os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n")
        os.write(2, b"I0000 00:00:1 1 port.cc:153] oneDNN custom operations are on.\nE0000 00:00:1 1 x.cc:1] An error.\n")
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n")
        os.write(2, b"An unfinished line")
    os.write(2, b"INFO: afterwards\n")

    assert capfd.readouterr().err == "E0000 00:00:1 1 x.cc:1] An error.\nAn unfinished line\nINFO: afterwards\n"


def test_the_last_message_before_a_crash_is_shown():
    program = (
        "import os\n"
        "from training.startup import without_startup_messages\n"
        "with without_startup_messages():\n"
        "    os.write(2, b'F0000 the processor lacks AVX')\n"
        "    os.abort()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)

    assert done.returncode < 0
    assert "F0000 the processor lacks AVX" in done.stderr
