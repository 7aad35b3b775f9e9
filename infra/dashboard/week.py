"""Makes up a week of the stack's metrics, for the picture: a burst of uploads, an outage with dead letters, and a drift.

It is arithmetic with a seed, no simulation of the function: `infra/scale` has one. Its objects are photos, one image each,
which take the function 60 ms; there are 300 to 3,000 a minute, and 13,000 in the burst.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from handler.custody import MAX_FAILURES
from handler.outcomes import Outcome
from infra.dashboard.definition import DEAD_LETTERS, UPLOADS
from infra.dashboard.graphs import PERIOD_S, Metric
from infra.dashboard.metric_math import Series

DAYS = 7
HOUR = 3600 // PERIOD_S  # periods
PERIODS = DAYS * 24 * HOUR
BURST = slice((1 * 24 + 10) * HOUR, (1 * 24 + 10) * HOUR + HOUR * 3 // 2)  # on Tuesday
OUTAGE = slice((3 * 24 + 2) * HOUR, (3 * 24 + 6) * HOUR)  # on Thursday
REDRIVE = (3 * 24 + 9) * HOUR
DRIFT = 4 * 24 * HOUR  # from Friday on

_SEED = 28
_IMAGE_S, _MODEL_S, _START_S = 0.06, 0.0006, 0.1
_WORKERS, _BATCH, _WINDOW_S = 10, 100, 2
_GIVEN_UP = 4  # periods after which all deliveries of a message have failed
_TAKEN = _WORKERS * round(PERIOD_S / _IMAGE_S)  # images in a period, at most
_VARIES = 0.06  # by which the share of a class goes up and down from one period to the next
_GREW = 4  # times as many of the last class but two, and half as many times of the last one, from the drift on


@dataclass(frozen=True)
class Week:
    """The metrics of a week, by namespace, name, statistic, and the class or the queue where there are several."""

    series: Mapping[tuple[str, ...], Series]

    def of(self, metric: Metric, period_s: int) -> Series:
        """Returns a metric in periods of `period_s`, which hold whole periods of the week."""
        values = self.series[_key(metric)].reshape(-1, period_s // PERIOD_S)
        whole: Series = values.sum(axis=1) if metric.stat == "Sum" else values.max(axis=1)
        return whole


def make_week(classes: Sequence[str]) -> Week:
    """Returns a week of the predictions of these classes, which is the same each time."""
    random = np.random.default_rng(_SEED)
    uploads = _uploads(random)
    letters, uploads = _give_up(uploads)
    scored, waiting, age = _work_off(uploads)
    failed = np.zeros(PERIODS)
    failed[OUTAGE] = waiting[OUTAGE] * MAX_FAILURES / _GIVEN_UP
    images = scored.astype(int)
    batches = np.ceil(np.maximum(scored, failed) / np.clip(scored / PERIOD_S * _WINDOW_S, 20, _BATCH))
    duration_s = scored * _IMAGE_S + batches * _START_S
    half_s = duration_s / batches * random.normal(1, 0.02, PERIODS)
    messages = scored + failed
    series = {
        ("AWS/Lambda", "Invocations", "Sum"): batches,
        ("AWS/Lambda", "Duration", "Sum"): duration_s * 1000,
        ("AWS/Lambda", "Duration", "p50"): half_s * 1000,
        ("AWS/Lambda", "Duration", "p99"): half_s * 1000 * random.uniform(1.5, 2.1, PERIODS),
        ("AWS/Lambda", "Errors", "Sum"): (random.random(PERIODS) < 0.005).astype(float),
        ("AWS/Lambda", "Throttles", "Sum"): np.where(waiting > 0, random.poisson(6, PERIODS), 0) * (failed == 0),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", UPLOADS): np.where(failed, 0, waiting) + 20,
        ("AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "Maximum", UPLOADS): np.where(failed, waiting, scored / 90),
        ("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", UPLOADS): age,
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", DEAD_LETTERS): letters,
        ("AWS/SQS", "NumberOfMessagesSent", "Sum", UPLOADS): uploads,
        ("AWS/SQS", "NumberOfMessagesReceived", "Sum", UPLOADS): messages,
        ("AWS/SQS", "NumberOfMessagesDeleted", "Sum", UPLOADS): scored,
        ("AWS/SQS", "NumberOfEmptyReceives", "Sum", UPLOADS): np.full(PERIODS, 5 * 3 * PERIOD_S / 60),
        ("AWS/Logs", "IncomingBytes", "Sum"): batches * 2500 + messages * 90,
        **_of_outcomes(scored, failed, random),
        **_of_images(images, classes, random),
    }
    return Week(series)


def _key(metric: Metric) -> tuple[str, ...]:
    dimensions = dict(metric.dimensions)
    which = dimensions.get("class_name") or dimensions.get("QueueName")
    return (metric.namespace, metric.name, metric.stat, *((which,) if which else ()))


def _uploads(random: np.random.Generator) -> Series:
    """Returns the uploads of each period: by night a tenth of those by day, and fewer at the weekend."""
    hours = np.arange(PERIODS) / HOUR
    by_day = np.clip(np.sin((hours % 24 - 7) / 13 * np.pi), 0, None) * (hours % 24 > 7)
    a_minute = 300 + 2700 * by_day * np.where(hours // 24 >= 5, 0.5, 1)
    a_minute[BURST] = 13_000
    return random.poisson(a_minute * PERIOD_S / 60).astype(float)


def _give_up(uploads: Series) -> tuple[Series, Series]:
    """Returns the dead letters of each period, and the uploads together with the letters that are sent back."""
    lost = slice(OUTAGE.start, OUTAGE.stop - _GIVEN_UP)
    letters = np.zeros(PERIODS)
    letters[lost.start + _GIVEN_UP : REDRIVE] = uploads[lost].sum()
    letters[lost.start + _GIVEN_UP : OUTAGE.stop] = np.cumsum(uploads[lost])
    sent = uploads.copy()
    sent[REDRIVE] += uploads[lost].sum()
    return letters, sent


def _work_off(uploads: Series) -> tuple[Series, Series, Series]:
    """Returns the images that are scored in each period, the messages that wait at its end, and the age of the oldest in s."""
    scored, waiting, age = np.zeros(PERIODS), np.zeros(PERIODS), np.full(PERIODS, 3.0)
    left = 0.0
    for period, sent in enumerate(uploads):
        if OUTAGE.start <= period < OUTAGE.stop:
            tries = min(period - OUTAGE.start + 1, _GIVEN_UP)
            left = uploads[period + 1 - tries : period + 1].sum()
            age[period] = tries * PERIOD_S * 0.9
        else:
            scored[period] = min(left + sent, _TAKEN)
            left = left + sent - scored[period]
            age[period] += left / _TAKEN * PERIOD_S
        waiting[period] = left
    return scored, waiting, age


def _of_outcomes(scored: Series, failed: Series, random: np.random.Generator) -> dict[tuple[str, ...], Series]:
    shares = {
        Outcome.SCORED: 1.0,
        Outcome.DUPLICATE: 0.004,
        Outcome.SUPERSEDED: 0.001,
        Outcome.GONE: 0.001,
        Outcome.REJECTED: 0.008,
        Outcome.POSTPONED: 0.0,
    }
    counts = {outcome: scored if share == 1 else random.poisson(scored * share) for outcome, share in shares.items()}
    counts[Outcome.FAILED] = failed
    return {("Coatcheck", f"Objects{outcome.capitalize()}", "Sum"): count for outcome, count in counts.items()}


def _of_images(images: np.ndarray, classes: Sequence[str], random: np.random.Generator) -> dict[tuple[str, ...], Series]:
    """Returns what the predictions are: from the drift on, the last classes become more, and more images are unfamiliar."""
    later = np.arange(PERIODS) >= DRIFT
    weights = random.normal(1, _VARIES, (PERIODS, len(classes))).clip(0.1)
    weights[later, -3] *= _GREW
    weights[later, -1] *= _GREW / 2
    shares = weights / weights.sum(axis=1, keepdims=True)
    drawn = random.multinomial(images, shares).astype(float)
    by_class: dict[tuple[str, ...], Series] = {
        ("Coatcheck", "Predictions", "Sum", name): drawn[:, number] for number, name in enumerate(classes)
    }
    return {
        **by_class,
        ("Coatcheck", "Images", "Sum"): images.astype(float),
        ("Coatcheck", "ModelTime", "Sum"): images * _MODEL_S * 1000,
        ("Coatcheck", "UnsureImages", "Sum"): random.binomial(images, np.where(later, 0.24, 0.18)).astype(float),
        ("Coatcheck", "UnfamiliarImages", "Sum"): random.binomial(images, np.where(later, 0.08, 0.02)).astype(float),
    }
