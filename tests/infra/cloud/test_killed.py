"""A decoder that really kills its process: its message ends in the dead letters, and no other does.

`tests/handler/test_delivery.py` shows the same for every place in the batch, without processes.
"""

import json
import subprocess
import sys

from infra.cloud.event_source import EventSource
from infra.paths import IMAGES, ROOT

INVOCATION = """
import json, os, signal, sys
from types import SimpleNamespace
import handler.formats
from handler.app import lambda_handler
from infra.cloud.event_source import Context

def decode(body, target):
    os.kill(os.getpid(), signal.SIGKILL)
    yield

killer = SimpleNamespace(NAME="killer", recognises=lambda head: head.startswith(b"KILL"), kind=lambda head: "x", decode=decode)
handler.formats.FORMATS = (killer, *handler.formats.FORMATS)
print(json.dumps(lambda_handler(json.load(sys.stdin), Context("r"))))
"""


def invoke_in_a_process(event, context):
    """Invokes the function in a process of its own; raises CalledProcessError if that was killed, as Lambda notices it."""
    command = [sys.executable, "-c", INVOCATION]
    done = subprocess.run(command, input=json.dumps(event), capture_output=True, text=True, cwd=ROOT, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def bodies(cloud, url):
    received = []
    while messages := cloud.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        received += [message["Body"] for message in messages]
    return received


def test_a_message_that_kills_its_process_ends_in_the_dead_letters_alone(cloud):
    keys = [f"uploads/{number}.png" for number in range(8)]
    for key in keys:
        content = b"KILL" if key == "uploads/3.png" else (IMAGES / "coat-0.png").read_bytes()
        cloud.s3.put_object(Bucket=cloud.input_bucket, Key=key, Body=content)

    deliveries = EventSource(cloud, invoke_in_a_process, batch_messages=25, is_impatient=True).drain(60)

    assert 8 <= sum(delivery.error is not None for delivery in deliveries) <= 16  # once or twice maxReceiveCount
    (dead,) = bodies(cloud, cloud.dead_letter_url)
    assert "uploads%2F3.png" in dead
    assert bodies(cloud, cloud.queue_url) == []
    listed = cloud.s3.list_objects_v2(Bucket=cloud.output_bucket)["Contents"]
    documents = [row["Key"] for row in listed if "/_coatcheck/" not in row["Key"]]
    assert documents == [f"predictions/{key}.json" for key in keys if key != "uploads/3.png"]
