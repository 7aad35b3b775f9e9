"""A decoder that really kills its process: its message ends in the dead letters, and no other does.

`tests/handler/test_delivery.py` shows the same for every place in the batch, without processes.
"""

import json
import signal
import subprocess
import sys

import pytest

from infra.cloud.event_source import EventSource
from infra.paths import IMAGES, ROOT

# Each invocation has a process of its own, a copy of one that has loaded the function.
FUNCTION = """
import json, os, signal, sys

answers = open(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # the function's log goes elsewhere

from types import SimpleNamespace
import handler.formats
from handler.app import lambda_handler
from infra.cloud.event_source import Context

def decode(body, target):
    os.kill(os.getpid(), signal.SIGKILL)
    yield

killer = SimpleNamespace(NAME="killer", recognises=lambda head: head.startswith(b"KILL"), kind=lambda head: "x", decode=decode)
handler.formats.FORMATS = (killer, *handler.formats.FORMATS)
for line in sys.stdin:
    process = os.fork()
    if process == 0:
        print(json.dumps(lambda_handler(json.loads(line), Context("r"))), file=answers)
        os._exit(0)
    if status := os.waitpid(process, 0)[1]:
        print(json.dumps({"killed_by": os.WTERMSIG(status)}), file=answers)
"""


@pytest.fixture
def invoke(cloud):
    """Invokes the function of `cloud` in a process of its own; raises RuntimeError if that was killed, as Lambda notices it."""
    command = [sys.executable, "-c", FUNCTION]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1, cwd=ROOT
    ) as function:

        def invoke(event, context):
            function.stdin.write(f"{json.dumps(event)}\n")
            answer = json.loads(function.stdout.readline())
            if "killed_by" in answer:
                raise RuntimeError(f"the process was ended by signal {answer['killed_by']}")
            return answer

        yield invoke
        function.stdin.close()


def bodies(cloud, url):
    received = []
    while messages := cloud.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        received += [message["Body"] for message in messages]
    return received


def test_a_message_that_kills_its_process_ends_in_the_dead_letters_alone(cloud, invoke):
    keys = [f"uploads/{number}.png" for number in range(8)]
    for key in keys:
        content = b"KILL" if key == "uploads/3.png" else (IMAGES / "coat-0.png").read_bytes()
        cloud.s3.put_object(Bucket=cloud.input_bucket, Key=key, Body=content)

    deliveries = EventSource(cloud, invoke, batch_messages=25, is_impatient=True).drain(60)

    errors = [str(delivery.error) for delivery in deliveries if delivery.error]
    assert set(errors) == {f"the process was ended by signal {signal.SIGKILL:d}"}
    assert 8 <= len(errors) <= 16  # once or twice maxReceiveCount
    (dead,) = bodies(cloud, cloud.dead_letter_url)
    assert "uploads%2F3.png" in dead
    assert bodies(cloud, cloud.queue_url) == []
    listed = cloud.s3.list_objects_v2(Bucket=cloud.output_bucket)["Contents"]
    documents = [row["Key"] for row in listed if "/_coatcheck/" not in row["Key"]]
    assert documents == [f"predictions/{key}.json" for key in keys if key != "uploads/3.png"]
