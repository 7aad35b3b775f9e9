"""`coatcheck backlog` on the embedded cloud: its state machine, the real function in processes of their own, and S3."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import boto3
import pytest
from PIL import Image
from typer.testing import CliRunner

from infra.__main__ import app
from infra.cloud.embedded import start_cloud
from infra.cloud.names import FUNCTION
from infra.errors import InfraError, WrongUse
from infra.paths import ROOT

COUNT = 130  # in shards of 125 and 5


def picture(number):
    file = io.BytesIO()
    Image.new("L", (28, 28), number % 256).save(file, "PNG")
    return file.getvalue()


class Shop:
    """A cloud with pictures in it, and the command as a user of it calls it."""

    def __init__(self, cloud):
        self.cloud = cloud
        self.prefix = f"s3://{cloud.input_bucket}/uploads/photos/"

    def fill(self, count=COUNT):
        for number in range(count):
            self.put(f"{number:04d}.png", picture(number))
        self.cloud.sqs.purge_queue(QueueUrl=self.cloud.queue_url)

    def put(self, name, content):
        self.cloud.s3.put_object(Bucket=self.cloud.input_bucket, Key=f"uploads/photos/{name}", Body=content)

    def __call__(self, *arguments):
        done = CliRunner().invoke(app, ["backlog", *map(str, arguments)])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return SimpleNamespace(status=done.exit_code, out=done.stdout)

    def json(self, *arguments):
        done = self(*arguments, "--json")
        return json.loads(done.out) | {"exit": done.status}

    def own(self, folder):
        """What the function keeps in a folder of its own, by key."""
        keys = self.cloud.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.cloud.output_bucket, Prefix=f"predictions/_coatcheck/{folder}/"
        )
        return {
            one["Key"].removeprefix("predictions/_coatcheck/"): (one["ETag"], one["LastModified"])
            for page in keys
            for one in page.get("Contents", [])
        }

    def read(self, key):
        return self.cloud.s3.get_object(Bucket=self.cloud.output_bucket, Key=key)["Body"].read()

    def rows(self, rows):
        """The rows of a run, by the keys of their objects; no key may have two."""
        names = [f"predictions/_coatcheck/{name}" for name in self.own("shards")]
        lines = [line for name in names if name.startswith(rows.split("/", 3)[3]) for line in self.read(name).splitlines()]
        found = {json.loads(line)["input"]["key"]: line for line in lines}
        assert len(found) == len(lines)
        return found


@pytest.fixture
def shop_of(environment, monkeypatch, recorded_calls, tmp_path):
    """Makes a shop whose function is `handler`, with as many instances as are asked for."""
    clouds = []

    def shop_of(handler="handler.app.lambda_handler", instances=2):
        monkeypatch.setenv("BACKLOG_FOLDER", str(tmp_path))
        clouds.append(start_cloud(instances=instances, handler=handler))
        cloud = clouds[-1].__enter__()
        for name, value in cloud.environment.items():
            monkeypatch.setenv(name, value)
        return Shop(cloud)

    yield shop_of
    for cloud in clouds:
        cloud.__exit__(None, None, None)


def test_a_backlog_is_planned_scored_and_then_done(shop_of):
    shop = shop_of()
    shop.fill()
    shop.put("broken.png", b"nonsense")
    planned = shop(shop.prefix, "--plan")
    done = shop.json(shop.prefix)
    summary, rows = done["summary"], shop.rows(done["summary"]["rows"])

    assert planned.status == 0
    assert "objects    131 of " in planned.out
    assert " in 2 shards, planned at 20" in planned.out
    assert "cost       about $0.00" in planned.out
    assert (done["exit"], done["execution"]["status"], done["plan"]["objects"]) == (0, "SUCCEEDED", 131)
    assert (summary["shards"], summary["images"], summary["failed"]) == ({"planned": 2, "finished": 2}, 130, 0)
    assert {name: count for name, count in summary["outcomes"].items() if count} == {"scored": 130, "rejected": 1}
    assert len(rows) == 131

    # The rows are what uploads get, byte for byte.
    keys = ["uploads/photos/0000.png", "uploads/photos/0129.png", "uploads/photos/broken.png"]
    event = {"objects": [f"s3://{shop.cloud.input_bucket}/{key}" for key in keys]}
    boto3.client("lambda").invoke(FunctionName=FUNCTION, Payload=json.dumps(event).encode())["Payload"].read()
    assert [shop.read(f"predictions/{key}.json").removesuffix(b"\n") for key in keys] == [rows[key] for key in keys]

    # The same command finds nothing to do, and a new object is a run of its own.
    again = shop(shop.prefix)
    assert (again.status, "left out   131 done already" in again.out, "nothing to do" in again.out) == (0, True, True)
    shop.put("new.png", picture(7))
    more = shop.json(shop.prefix)
    assert (more["plan"]["objects"], more["plan"]["left_out"], more["summary"]["outcomes"]["scored"]) == (1, {"done": 131}, 1)
    assert more["run"] == f"{done['run']}-3"
    assert re.fullmatch("uploads-photos-[0-9a-f]{8}", done["run"])

    listed = json.loads(shop("show", "--json").out)
    assert [(one["run"], one["status"]) for one in listed] == [(more["run"], "SUCCEEDED"), (done["run"], "SUCCEEDED")]
    shown = shop("show", done["run"])
    assert shown.status == 0
    assert f"run        {done['run']}: 2 of 2 shards finished\n" in shown.out
    assert "objects    130 scored, 1 rejected\n" in shown.out


# Who starts the tests in the background, as nohup does, has the signal ignored by all processes that come of them.
INTERRUPTIBLE = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from infra.__main__ import main; main()"
)


def test_a_run_that_is_left_and_stopped_goes_on_without_scoring_anything_twice(shop_of, tmp_path):
    shop = shop_of("tests.infra.backlog.functions.slow")
    shop.fill()
    watching = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, "backlog", shop.prefix, "--run", "photos"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    until = time.monotonic() + 60
    while not shop.own("covered") and time.monotonic() < until:
        time.sleep(0.05)
    watching.send_signal(signal.SIGINT)
    out, errors = watching.communicate(timeout=60)
    running = shop.json("show", "photos", "--detach")
    stopped = shop("stop")
    before = shop.own("covered") | shop.own("shards")
    (tmp_path / "fast").touch()
    done = shop.json(shop.prefix, "--run", "photos")
    after = shop.own("covered") | shop.own("shards")

    assert (watching.returncode, "objects    130 of " in out) == (130, True)
    assert "the run photos goes on; look again: coatcheck backlog show photos\n" in errors
    assert "stop it: coatcheck backlog stop photos\n" in errors
    assert (running["execution"]["status"], running["shards"]["total"]) == ("RUNNING", 2)
    assert stopped.status == 0
    assert "the run photos is aborted" in stopped.out
    assert "run        photos: 1 of 2 shards finished\n" in stopped.out
    assert f"go on with what is left: coatcheck backlog {shop.prefix} --run photos\n" in stopped.out
    assert (done["exit"], done["execution"]["status"], done["summary"]["outcomes"]["scored"]) == (0, "SUCCEEDED", COUNT)
    assert before.items() < after.items()  # what was scored was not written again
    assert len(shop.rows(done["summary"]["rows"])) == COUNT

    with pytest.raises(WrongUse, match="Received: no name, and none that runs"):
        shop("stop")
    over = shop.json(shop.prefix, "--run", "photos")
    assert (over["exit"], over["summary"]) == (0, done["summary"])


def test_a_run_that_failed_goes_on_once_the_reason_is_mended(shop_of, tmp_path):
    shop = shop_of("tests.infra.backlog.functions.broken")
    shop.fill()
    failed = shop(shop.prefix, "--run", "photos")
    (tmp_path / "mended").touch()
    again = shop.json(shop.prefix, "--run", "photos")

    assert failed.status == 1
    assert "the run photos is failed: States.ExceedToleratedFailureThreshold" in failed.out
    assert "run        photos: 1 of 2 shards finished\n" in failed.out
    assert f"go on with what is left: coatcheck backlog {shop.prefix} --run photos\n" in failed.out
    assert (again["exit"], again["summary"]["outcomes"]["scored"]) == (0, COUNT)

    with pytest.raises(WrongUse, match="Expected what the run photos was planned for"):
        shop(shop.prefix, "--run", "photos", "--documents")


def test_a_list_is_scored_detached_and_its_run_is_watched_later(shop_of, tmp_path):
    shop = shop_of()
    shop.fill(4)
    bucket = shop.cloud.input_bucket
    lines = ["bucket,key", *(f"{bucket},uploads/photos/000{number}.png" for number in (2, 1, 1)), f"{bucket},elsewhere/a.png"]
    file = tmp_path / "some keys.csv"
    file.write_text("\n".join([*lines, f"{bucket},uploads/photos/nosuch.png"]))
    started = shop(file, "--run", "two", "--detach")
    watched = shop.json("show", "two")

    assert started.status == 1  # for the address outside of the inputs
    assert f"run        two over {file}\n" in started.out
    assert "objects    3 in 1 shard, planned at " in started.out
    assert "left out   1 outside of the stack's inputs" in started.out
    assert "the run two goes on; look again: coatcheck backlog show two\n" in started.out
    assert watched["order"]["listed"] is True
    assert [watched["summary"]["outcomes"][name] for name in ("scored", "gone")] == [2, 1]
    assert sorted(shop.rows(watched["summary"]["rows"])) == ["uploads/photos/0001.png", "uploads/photos/0002.png"]

    file.write_text("\n".join(lines[:2]))
    with pytest.raises(WrongUse, match="Expected the objects that the run was asked for"):
        shop(file, "--run", "two")
    file.write_text("bucket,key\n")
    with pytest.raises(WrongUse, match="Expected a list that names objects"):
        shop(file)


def test_another_model_scores_into_a_place_of_its_own(shop_of):
    shop = shop_of(instances=1)
    shop.fill(3)
    own = shop.json(shop.prefix)
    other = shop(shop.prefix, "--model", "clothes-photos", "--run", "other")
    copied = shop.own("models")
    again = shop.json(shop.prefix, "--model", ROOT / "training" / "shipped" / "clothes-photos", "--run", "other")
    summary = again["summary"]

    assert summary["model"]["name"] == "clothes-photos"
    assert summary["rows"] != own["summary"]["rows"]
    assert f"compare    coatcheck compare s3://{shop.cloud.output_bucket}/predictions/ {summary['rows']}\n" in other.out
    assert sorted(key.rsplit("/", 1)[-1] for key in copied) == ["manifest.json", "model.tflite"]
    assert shop.own("models") == copied
    assert shop.rows(summary["rows"]).keys() == shop.rows(own["summary"]["rows"]).keys()


@pytest.mark.parametrize("option", ["--documents", "--replace"])
def test_documents_of_another_model_are_refused_before_anything_is_asked(option):
    done = CliRunner().invoke(app, ["backlog", "s3://shop/photos/", "--model", "clothes-photos", option])

    assert isinstance(done.exception, WrongUse)
    assert f"Expected --model without {option}. Received: both." in str(done.exception)


def test_what_cannot_be_done_says_what_to_do(shop_of):
    shop = shop_of(instances=1)
    with pytest.raises(WrongUse, match=r"Expected a stack in the region us-east-1\. Received: 'nosuch'"):
        shop(shop.prefix, "--stack", "nosuch")
    with pytest.raises(
        WrongUse, match=r"UnacceptedObject: .*elsewhere/; it was not listed\. -> name a prefix under the stack's"
    ):
        shop(f"s3://{shop.cloud.input_bucket}/elsewhere/")
    with pytest.raises(
        WrongUse, match=r"Expected a run of the stack coatcheck\. Received: nosuch; `coatcheck backlog show` lists"
    ):
        shop("show", "nosuch")
    with pytest.raises(InfraError, match="manifest"):
        shop(shop.prefix, "--model", f"s3://{shop.cloud.input_bucket}/models/")
    shop.fill(1)
    shop(shop.prefix, "--run", "planned", "--plan")
    with pytest.raises(WrongUse, match="Received: planned, which is only planned; the command that planned it starts it"):
        shop("stop", "planned")

    assert shop("show").out == "no run was started in the last 90 days\n"
    assert json.loads(shop("show", "--json").out) == []
