"""A storm of 503: attempts and pauses are bounded and scattered, an outage costs few requests, and nobody starves after it."""

import json

import pytest
from botocore.retries.quota import RetryQuota
from botocore.retries.standard import ExponentialBackoff, RetryQuotaChecker

from handler.aws import client_config
from handler.delivery import retry_after_s
from handler.errors import StorageUnavailable
from handler.objects import ObjectRef
from handler.outcomes import Outcome, Report
from handler.storage import S3Storage, make_client
from handler.triggers.request import Message, Results
from tests.handler.test_storage import answering, read, send

ATTEMPTS = 4
QUOTA, COST = RetryQuota.INITIAL_CAPACITY, RetryQuotaChecker._RETRY_COST
REF = ObjectRef("bucket", "a")


@pytest.fixture
def pauses(monkeypatch):
    """The pauses that botocore would make, none of which is waited for."""
    made, delay_amount = [], ExponentialBackoff.delay_amount

    def delay(backoff, context):
        made.append(delay_amount(backoff, context))
        return 0

    monkeypatch.setattr(ExponentialBackoff, "delay_amount", delay)
    return made


@pytest.fixture
def storm(environment, monkeypatch, pauses):
    """A store that `fails(number)` of a request by the error `code`, and the function's own client of it."""

    class Storm:
        requests, code = 0, "ServiceUnavailable"

        def fails(self, number):
            return True

        def answer(self, handler):
            self.requests += 1
            if not self.fails(self.requests):
                send(handler, {"Content-Length": "6", "ETag": '"e"'}, b"pixels")
                return
            body = f"<Error><Code>{self.code}</Code><Message>no</Message></Error>".encode()
            handler.send_response(503)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)

        def attempt(self):
            """Reads an object, and returns the number of requests that it took and whether it was read."""
            before = self.requests
            try:
                read(self.storage, REF)
            except StorageUnavailable:
                return self.requests - before, False
            return self.requests - before, True

    storm = Storm()
    with answering(storm.answer) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        storm.storage = S3Storage(make_client(4))
        yield storm


@pytest.mark.parametrize(("code", "longest"), [("ServiceUnavailable", (0.05, 0.1, 0.2)), ("SlowDown", (1, 2, 4))])
def test_a_call_is_repeated_after_scattered_pauses_that_grow_and_are_longer_if_s3_asks_for_them(storm, pauses, code, longest):
    storm.code = code

    assert [storm.attempt() for _ in range(3)] == [(ATTEMPTS, False)] * 3
    assert len(pauses) == 3 * len(longest)
    assert all(0 <= pause <= longest[number % 3] for number, pause in enumerate(pauses))
    assert len(set(pauses)) == len(pauses)


def test_an_outage_costs_little_more_than_one_request_for_each_call(storm):
    """A client has a stock of retries, and no call takes more of them than there are."""
    calls = [storm.attempt() for _ in range(60)]

    assert sum(requests for requests, _ in calls) == 60 + QUOTA // COST
    assert calls[-1] == (1, False)


def test_after_an_outage_calls_are_repeated_again_once_a_few_succeeded(storm):
    """Each success gives one of the stock back, and a retry costs fourteen, so that a process does not starve."""
    while storm.attempt() != (1, False):
        pass
    storm.fails = lambda number: False
    assert [storm.attempt() for _ in range(COST)] == [(1, True)] * COST
    storm.fails = lambda number: True

    assert storm.attempt()[0] > 1


def test_retries_that_help_use_up_nothing(storm):
    """A store that fails every second request does so for as long as it likes."""
    storm.fails = lambda number: number % 2 == 1

    assert [storm.attempt() for _ in range(QUOTA // COST + 5)] == [(2, True)] * (QUOTA // COST + 5)


def test_what_an_outage_of_five_seconds_fails_comes_again_after_it():
    """No delivery is made to wait for the end of an outage: the message is, for which nobody pays."""
    error = StorageUnavailable("S3 failed")
    message = Message("m", (REF,), receive_count=1)

    assert retry_after_s(message, Results({REF: Report(REF, Outcome.FAILED, error=error)}), jitter=0) >= 5


def test_credentials_are_those_of_lambda_s_environment_and_nobody_is_asked_for_them(environment):
    client = make_client(4)

    assert client._request_signer._credentials.method == "env"
    assert json.dumps(client_config(4).retries) == json.dumps({"mode": "standard", "total_max_attempts": ATTEMPTS})
