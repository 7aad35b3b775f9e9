"""Measures how far the mix of predicted classes is from that of the training, by the population stability index. Pure.

The index is the sum over the classes of (p - q) ln(p / q), where p is the share of a class among the predictions, and q its
share in the training. It is 0 if both mixes are the same, and grows with the distance, in whichever direction. To each class
half a prediction is added, so that a class which was not predicted has a logarithm. The levels are those by which credit
scoring has long read it: below 0.1 the mix is stable, above 0.25 it is another one. For a review of the index, see
https://arxiv.org/abs/2303.01227.

Chance alone makes it some (classes - 1) / predictions: 0.09 for a hundred predictions of ten classes. So a day with fewer than
`MIN_PREDICTIONS` has no index.
"""

from __future__ import annotations

from collections.abc import Sequence

from handler.contract import Manifest
from infra.errors import WrongUse

LOOK, ACT = 0.1, 0.25  # the levels of the index
MIN_PREDICTIONS = 100
MAX_CLASSES = 10  # metrics of an alarm: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-limits.html

_ADDED = 0.5  # to the predictions of each class


def training_mix(manifest: Manifest) -> dict[str, float]:
    """Returns the share of each class among the test images, in index order; of the training itself the manifest tells no mix.

    Both are the same where the data set was split by chance, or has as many images of each class, as Fashion-MNIST does.

    Raises:
        WrongUse: the manifest does not tell it, or there are more classes than an alarm can watch.
    """
    images = [metrics.images for metrics in manifest.metrics_by_class]
    if not images or not all(images) or len(images) > MAX_CLASSES:
        raise WrongUse(
            f"Expected an artifact of at most {MAX_CLASSES} classes, with the test images of each in its metrics_by_class. "
            f"Received: {manifest.name!r}, {len(manifest.classes)} classes. Deploy it by ModelUri, without an index of drift."
        )
    return {name: count / sum(images) for name, count in zip(manifest.classes, images, strict=True)}


def count_all(ids: Sequence[str]) -> str:
    """Returns the expression for the number of predictions, of which each of `ids` names those of a class."""
    return "+".join(ids)


def index_of(ids: Sequence[str], shares: Sequence[float], total: str) -> str:
    """Returns the expression for the index; `total` names the result of `count_all`.

    Metric math takes a missing value for 0 only beside another series that has one there, so 0 times the total is added.
    """
    added = f"{_ADDED * len(ids):g}"
    terms = [
        f"(({one}+0*{total}+{_ADDED:g})/({total}+{added})-{share:.6g})*LOG(({one}+0*{total}+{_ADDED:g})/({total}+{added})/{share:.6g})"
        for one, share in zip(ids, shares, strict=True)
    ]
    return f"IF({total}>={MIN_PREDICTIONS},{'+'.join(terms)})"
