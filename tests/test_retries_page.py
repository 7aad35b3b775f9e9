"""docs/retries.md: every figure is that of the code, of the template, or of the library that is installed."""

import json
import re
from pathlib import Path

from botocore.retries.quota import RetryQuota
from botocore.retries.standard import ExponentialBackoff, RetryQuotaChecker

import handler.backlog.keeping
import handler.documents
import handler.marks
import handler.work_queue
import infra.backlog.deployed
import infra.redrive.places
from handler import app, aws, custody, delivery, obstore_client
from handler.backlog.shards import RETRY_AFTER_S
from handler.jobs import MAX_MESSAGES
from handler.settings import DEFAULTS
from infra.doctor.asking import Cloud
from infra.template import read_template

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "retries.md").read_text()
ROWS = dict(re.findall(r"^\| (?!what|---)(.*?) \| (.*?) \| .* \|$", PAGE, re.MULTILINE))
RESOURCES = read_template((ROOT / "template.yaml").read_text())["Resources"]
STATES = json.loads((ROOT / "infra" / "backlog" / "machine.asl.json").read_text())["States"]
SHARD = STATES["Score"]["ItemProcessor"]["States"]["ScoreShard"]
CONFIG = aws.client_config(DEFAULTS["S3_CONCURRENCY"])


def properties(name):
    return RESOURCES[name]["Properties"]


def number(value):
    return f"{value:g}"


def in_words(values, unit="s"):
    *first, last = map(number, values)
    return f"{', '.join(first)} and {last} {unit}"


def botocore_pauses(kind):
    scale = ExponentialBackoff._DEFAULT_BACKOFF_CONFIG[kind]
    return [scale * 2**retry for retry in range(CONFIG.retries["total_max_attempts"] - 1)]


def waits():
    """The seconds after which a failed message comes again, before jitter."""
    retries = range(properties("UploadQueue")["RedrivePolicy"]["maxReceiveCount"] - 1)
    return [min(delivery.MAX_RETRY_S, delivery.FIRST_RETRY_S * delivery.RETRY_FACTOR**retry) for retry in retries]


def within(policy):
    return f"{policy['MaximumRetryAttempts']} retries, within {policy['MaximumEventAgeInSeconds'] // 3600} h"


def obstore_config():
    """What obstore's stores are made with: the options and the retries, as text of the module that alone makes them."""
    source = (ROOT / "handler" / "obstore_client.py").read_text()
    found = {
        name: re.search(pattern, source)[1]
        for name, pattern in {
            "connect": r'"connect_timeout": "(\d+)s"',
            "read": r'"read_timeout": "(\d+)s"',
            "retries": r'"max_retries": (\d+)',
            "within": r'"retry_timeout": timedelta\(seconds=(\d+)\)',
            "first": r'"init_backoff": timedelta\(milliseconds=(\d+)\)',
            "longest": r'"max_backoff": timedelta\(seconds=(\d+)\)',
            "base": r'"base": (\d+)',
        }.items()
    }
    return {name: int(value) for name, value in found.items()}


def retry(state, error="States.ALL"):
    (found,) = [one for one in state["Retry"] if one["ErrorEquals"] == [error]]
    return found


def expected():
    obstore, invoked = obstore_config(), properties("ScoringFunction")["EventInvokeConfig"]
    rule = properties("UploadRule")["Targets"][0]["RetryPolicy"]
    sweep, backlog = (properties(name)["Target"]["RetryPolicy"] for name in ("Sweep", "ScheduledBacklog"))
    step, shard, busy = retry(STATES["Plan"]), retry(SHARD), retry(SHARD, "Lambda.TooManyRequestsException")
    queue, uploads = properties("UploadQueue"), properties("ScoringFunction")["Events"]["Uploads"]["Properties"]
    deliveries = queue["RedrivePolicy"]["maxReceiveCount"]
    half, doubled, (first, last) = "half of each by chance", "twice as long each time", RETRY_AFTER_S
    document = sum(handler.documents.FIRST_PAUSE_S * 2**it for it in range(handler.documents.MAX_ATTEMPTS - 1))
    entries = [handler.work_queue.FIRST_PAUSE_S * 2**it for it in range(handler.work_queue.MAX_ATTEMPTS - 1)]
    pool = f"`S3_CONCURRENCY`, {CONFIG.max_pool_connections}"
    asking = Cloud("us-east-1").client("sqs").meta.config
    assert sweep == backlog
    assert handler.marks.MAX_ATTEMPTS == handler.backlog.keeping.MAX_ATTEMPTS
    assert step == retry(STATES["Summarise"])
    assert (step["IntervalSeconds"], step["BackoffRate"], step["MaxDelaySeconds"], step["JitterStrategy"]) == (
        5,
        3,
        300,
        "FULL",
    )
    assert {**step, "MaxAttempts": shard["MaxAttempts"]} == shard
    assert (busy["BackoffRate"], busy["JitterStrategy"], obstore["base"]) == (2, "FULL", 2)
    return {
        "an attempt by boto3": f"{CONFIG.connect_timeout} s to connect, {CONFIG.read_timeout} s without a byte",
        "attempts of a call": f"{CONFIG.retries['total_max_attempts']}, mode `{CONFIG.retries['mode']}`",
        "pauses between them": f"up to {in_words(botocore_pauses('non_throttling_base_scale'))}, or "
        f"{in_words(botocore_pauses('throttling_base_scale'))} if S3 asks to slow down; each by chance from 0",
        "retries in stock, of all calls of a client": f"{RetryQuota.INITIAL_CAPACITY}; one costs "
        f"{RetryQuotaChecker._RETRY_COST}, or {RetryQuotaChecker._THROTTLING_RETRY_COST} if S3 asks to slow down",
        "a call with all of this": f"{aws.MAX_CALL_S:g} s; {aws.MAX_WRITE_S:g} s for a document that is sent",
        "threads of such calls": f"{aws.MAX_THREADS}",
        "connections of a client": pool,
        "an attempt by obstore": f"{obstore['connect']} s to connect, {obstore['read']} s without a byte, "
        f"{obstore_client._REQUEST_TIMEOUT[:-1]} s in all; {obstore_client._BODY_TIMEOUT[:-1]} h for a large body",
        "attempts by obstore": f"{obstore['retries'] + 1}, begun within {obstore['within']} s",
        "pauses of obstore": f"from {obstore['first'] / 1000:g} s to {obstore['longest']} s, {doubled}, by chance",
        "idle connections of obstore": pool,
        "credentials": "none asked for in Lambda; elsewhere boto3's, renewed for obstore after "
        f"{obstore_client._CREDENTIALS_LIVE.total_seconds() / 60:g} min",
        "entries of a batch that SQS could not take": f"{handler.work_queue.MAX_ATTEMPTS} attempts, pauses up to "
        f"{in_words(entries)}, {half}",
        "attempts at a document": f"{handler.documents.MAX_ATTEMPTS}, pauses up to {document:g} s in all, {half}",
        "attempts at a mark or a note": f"{handler.marks.MAX_ATTEMPTS}, without a pause",
        "a failed object of a shard": f"tried again after up to {first:g} s and {last:g} s, {half}",
        "an artifact in S3": f"{app.MODEL_LOAD_S} s",
        "end of an invocation": f"nothing is begun in the last {DEFAULTS['DEADLINE_RESERVE_MS'] // 1000} s; the last second is "
        "for the answer",
        "a failed message comes again": f"after {in_words(waits())}, each up to a quarter longer by chance",
        "deliveries": f"{deliveries}",
        "a message in work is hidden": f"for {custody.LEASE_S} s, renewed every {custody.RENEW_S} s from the first "
        f"{custody.FIRST_LEASE_S} s on",
        "a message is hidden at first": f"{queue['VisibilityTimeout']} s",
        "asynchronous invocations": within(invoked),
        "a rule that reaches nobody": within(rule),
        "a schedule that reaches nobody": within(sweep),
        "a step of a backlog that fails": f"{step['MaxAttempts']} retries, {shard['MaxAttempts']} for a shard, from 5 s, "
        "three times as long each time, 300 s at most, by chance from 0",
        "a shard for which Lambda has no room": f"{busy['MaxAttempts']} retries from {busy['IntervalSeconds']} s, {doubled}, "
        f"{busy['MaxDelaySeconds']} s at most, by chance from 0",
        "functions at work for the queue": f"{uploads['ScalingConfig']['MaximumConcurrency']}",
        "`coatcheck doctor`, `redrive` and `backlog`": f"{asking.connect_timeout} s to connect, {asking.read_timeout} s "
        f"without a byte, {asking.retries['total_max_attempts']} attempts",
        "`coatcheck backlog` has a busy function plan": f"{infra.backlog.deployed._ATTEMPTS} attempts, pauses from "
        f"{infra.backlog.deployed._FIRST_PAUSE_S:g} s",
        "`coatcheck redrive`": f"{infra.redrive.places.THREADS} threads with {MAX_MESSAGES} letters each, hidden for "
        f"{infra.redrive.places.HIDDEN_S} s",
    }


def test_every_figure_is_that_of_the_code(environment):
    figures = expected()

    assert figures == ROWS


def test_the_sums_of_the_page_are_right():
    """A call could take longer than a call may, so it is given up."""
    attempts, text = CONFIG.retries["total_max_attempts"], " ".join(PAGE.split())
    slowest, pauses = attempts * (CONFIG.connect_timeout + CONFIG.read_timeout), sum(botocore_pauses("throttling_base_scale"))

    assert f"attempts could take {slowest} s and their pauses {pauses} s more" in text
    assert slowest > aws.MAX_CALL_S
    assert f"in {sum(waits()) // 60} minutes" in text
    assert f"makes {RetryQuota.INITIAL_CAPACITY // RetryQuotaChecker._RETRY_COST} retries in all" in text
    assert f"longer than the function's {properties('ScoringFunction')['Timeout']} s" in text
    assert f"{app.ANSWER_RESERVE_S:g} s" == "1 s"
