"""Kills processes of the function at random moments while the embedded cloud has it score a backlog, and starts it again.

python -m tests.infra.cloud.killing 3000 100        by hand: 3,000 images and a hundred kills take some minutes

SIGKILL hits whichever instance is chosen, whatever it does. Step Functions repeats its shard; when it has repeated too often,
another execution of the same run does what is left.
"""

import json
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from collections import Counter

import boto3

from infra.cloud.embedded import clear_aws_environment, start_cloud
from infra.cloud.names import MACHINE_ARN
from infra.scale.measure import upload

INSTANCES = 2


def kill_at_random(kills, over, chance, longest_s):
    """Kills one of the processes again and again, until it was done `kills` times or the run is `over`; returns the count."""
    done = 0
    while done < kills and not over.wait(chance.uniform(0.05, longest_s)):
        children = multiprocessing.active_children()
        if children:
            os.kill(chance.choice(children).pid, signal.SIGKILL)
            done += 1
    return done


def finish(workflows, run, prefix):
    """Starts executions of a run until one succeeds; returns their number and the summary."""
    for number in range(1, 1000):
        asked = json.dumps({"job": "plan", "run": run, "prefix": prefix})
        name = f"{run}-{number}"
        arn = workflows.start_execution(stateMachineArn=MACHINE_ARN, name=name, input=asked)["executionArn"]
        while (told := workflows.describe_execution(executionArn=arn))["status"] == "RUNNING":
            time.sleep(0.1)
        if told["status"] == "SUCCEEDED":
            return number, json.loads(told["output"])
    raise AssertionError(told)


def main(objects, kills, longest_s=1.5):
    """Does it, and prints what came of it."""
    clear_aws_environment()
    with start_cloud(instances=INSTANCES) as cloud:
        os.environ |= cloud.environment
        cloud.s3.put_bucket_notification_configuration(Bucket=cloud.input_bucket, NotificationConfiguration={})
        upload(cloud, objects)
        over, counted = threading.Event(), []
        killer = threading.Thread(
            target=lambda: counted.append(kill_at_random(kills, over, random.Random(26), longest_s)), daemon=True
        )
        began = time.monotonic()
        killer.start()
        executions, summary = finish(boto3.client("stepfunctions"), "killed", f"s3://{cloud.input_bucket}/uploads/")
        over.set()
        killer.join()
        seconds = time.monotonic() - began
        keys = Counter(
            json.loads(line)["input"]["key"]
            for page in cloud.s3.get_paginator("list_objects_v2").paginate(
                Bucket=cloud.output_bucket, Prefix="predictions/_coatcheck/shards/"
            )
            for found in page["Contents"]
            for line in cloud.s3.get_object(Bucket=cloud.output_bucket, Key=found["Key"])["Body"].read().splitlines()
        )
        twice = sum(count > 1 for count in keys.values())
        sys.stdout.write(
            f"{json.dumps(summary)}\n{counted[0]} kills, {executions} executions, {seconds:.0f} s: {len(keys)} objects have a "
            f"row, {twice} twice; {objects - len(keys)} have none\n"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
