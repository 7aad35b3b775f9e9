"""Solves what comes of it when instances together ask S3 for more than it answers: refusals, repetition, failures. Pure.

S3 answers 503 to what is beyond its limit. boto3's standard mode repeats a refused request after a random part of 1, 2 and 4 s,
as long as the client has tokens: a repetition takes five, which its success gives back, and a request that was answered at once
gives one (https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html). Tokens are taken to be used up, as they
are after some seconds of many refusals.
"""

from __future__ import annotations

import msgspec

from handler.aws import client_config

_WAITS_S = tuple(0.5 * 2**number for number in range(client_config(1).retries["total_max_attempts"] - 1))  # type: ignore[attr-defined]  # botocore's configuration
_RETRY_TOKENS = 5  # a success at once gives one
_STEPS = 2_000


class Demand(msgspec.Struct, frozen=True):
    """What one instance asks of S3, as long as S3 refuses nothing.

    It is done with `objects_per_s`, each of which makes one request of the kind that S3 limits most; `request_s` of the
    processor go into such a request, and an object that fails saves `saved_s`. Up to `connections` requests wait at the same
    time, and an object waits for `waits_s` in all.
    """

    objects_per_s: float
    request_s: float
    saved_s: float
    connections: int
    waits_s: float


class Pace(msgspec.Struct, frozen=True):
    """How fast an instance is done with objects, as a share of its speed without refusals, and what becomes of them.

    `attempts` is the number of requests for each object, and `failed` the share of objects that were refused each time.
    """

    speed: float
    attempts: float
    failed: float

    @property
    def is_refused(self) -> bool:
        """Whether S3 refuses some requests."""
        return self.attempts > 1 or self.failed > 0


FREE = Pace(1.0, 1.0, 0.0)


def solve_pace(demand: Demand, instances: int, requests_per_s: float) -> Pace:
    """Returns the pace of each of some instances that share `requests_per_s`.

    The share of refused attempts is the smallest one at which S3 answers just as many as it can.
    """
    if instances * demand.objects_per_s <= requests_per_s:
        return FREE
    for step in range(1, _STEPS):
        refused = step / _STEPS
        pace = _pace(demand, refused)
        answered = instances * demand.objects_per_s * pace.speed * pace.attempts * (1 - refused)
        if answered <= requests_per_s:
            return pace
    return _pace(demand, (_STEPS - 1) / _STEPS)


def _pace(demand: Demand, refused: float) -> Pace:
    """Returns the pace of an instance if a share of all attempts is `refused`."""
    wanted = [refused**number for number in range(1, len(_WAITS_S) + 1)]  # repetitions of an object, first to last
    granted = min(sum(wanted), (1 - refused) / (_RETRY_TOKENS * refused))
    share = granted / sum(wanted)
    attempts = 1 + granted
    failed = max(0.0, 1 - (1 - refused) * attempts)
    waits_s = demand.waits_s + share * sum(part * wait for part, wait in zip(wanted, _WAITS_S, strict=True))
    processor_s = 1 / demand.objects_per_s + granted * demand.request_s - failed * demand.saved_s
    objects_per_s = min(1 / processor_s, demand.connections / waits_s)
    return Pace(objects_per_s / demand.objects_per_s, attempts, failed)
