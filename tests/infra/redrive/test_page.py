"""docs/dead-letters.md: its commands run, what it shows is what comes out, and its figures are those of the template."""

import json
import re
import shlex

import botocore.client
import typer.main
from typer.testing import CliRunner

from infra.__main__ import app
from infra.cloud.names import REGION, STACK
from infra.paths import ROOT
from infra.redrive.letters import Kind
from infra.redrive.telling import SOON_S
from infra.template import read_template
from tests.infra.redrive.letters import RECORDS, RULE, UPLOAD, put

PAGE = (ROOT / "docs" / "dead-letters.md").read_text()
COMMANDS = re.findall(r"^    (coatcheck redrive .*)$", PAGE, re.MULTILINE)
TEXTS = " ".join(PAGE.split())
(SHOWN,) = re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
(POLICY,) = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
ALLOWED = {
    tuple(action.split(":"))
    for statement in json.loads(POLICY)["Statement"]
    for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
}
RESOURCES = read_template((ROOT / "template.yaml").read_text())["Resources"]


def invoke(command):
    _, *arguments = shlex.split(command.replace("NAME", STACK, 1).replace("REGION", REGION))
    done = CliRunner().invoke(app, arguments)
    assert not isinstance(done.exception, Exception), done.exception
    return done


def test_every_command_of_the_page_runs_and_needs_no_more_than_the_page_says(cloud, monkeypatch):
    """One after the other, on letters of which each command finds some."""
    made, make = set(), botocore.client.BaseClient._make_api_call

    def recorded(client, operation, arguments):
        made.add((client.meta.service_model.endpoint_prefix, operation.removesuffix("Batch")))
        return make(client, operation, arguments)

    put(cloud.sqs, cloud.dead_letter_url, UPLOAD, RULE)
    put(cloud.sqs, cloud.dead_letter_url, RECORDS[0])
    put(cloud.sqs, cloud.dead_letter_url, "poison")
    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", recorded)

    shown, *others = COMMANDS
    done = invoke(shown)
    assert (leave_out(done.stdout), done.exit_code) == (leave_out(SHOWN), 1)
    for command in others:
        assert invoke(command).exit_code in {0, 1}, command
    assert len(others) == 5
    assert made == ALLOWED - {("lambda", "InvokeFunction"), ("states", "StartExecution")}


def leave_out(text):
    """A text without names and ages, which differ from run to run."""
    return re.sub(r"\b\d+ (s|min|d)\b +", "", re.sub(r"[0-9a-f]{8}(-[0-9a-f]+){4}", "ID", text))


def test_the_page_tells_of_every_kind_and_every_option():
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    options = {option for param in typer.main.get_command(app).commands["redrive"].params for option in param.opts}

    assert rows == [kind.value for kind in Kind]
    assert [option for option in options if f"{option}`" not in PAGE and f"{option} " not in PAGE] == []


def test_the_figures_of_the_page_are_those_of_the_template():
    queue, dead = (RESOURCES[name]["Properties"] for name in ("UploadQueue", "DeadLetterQueue"))
    kept, waiting = (each["MessageRetentionPeriod"] // 86400 for each in (dead, queue))
    invoked = RESOURCES["ScoringFunction"]["Properties"]["EventInvokeConfig"]
    policies = {name: RESOURCES[name]["Properties"] for name in ("UploadRule", "Sweep", "ScheduledBacklog")}
    rule = policies["UploadRule"]["Targets"][0]["RetryPolicy"]
    schedules = [policies[name]["Target"]["RetryPolicy"] for name in ("Sweep", "ScheduledBacklog")]

    assert f"{queue['RedrivePolicy']['maxReceiveCount']} deliveries, the last one" in TEXTS
    assert f"deletes a dead letter after {kept} days" in TEXTS
    assert f"so {kept - waiting} are left" in TEXTS
    assert f"{invoked['MaximumRetryAttempts'] + 1} attempts, or {invoked['MaximumEventAgeInSeconds'] // 3600} hours" in TEXTS
    assert f"{rule['MaximumRetryAttempts']} attempts or {rule['MaximumEventAgeInSeconds'] // 3600} hours" in TEXTS
    assert schedules == [{"MaximumRetryAttempts": 10, "MaximumEventAgeInSeconds": 3600}] * 2
    assert "10 attempts or an hour" in TEXTS
    assert SOON_S == 2 * 86_400
    assert "less than two days left" in TEXTS
