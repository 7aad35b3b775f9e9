"""Tells how much photos are like those that were learnt from, by two looks at them. Pure: arrays in, values out.

Deep features say what is seen, and are compared by the angle to the nearest of a few prototypes; but a network that was tuned
to a few classes sees little else than these. So shallow features, the means of what a lower layer makes of a photo, say what it
looks like, and are compared by their distance. Both are small forms of the distance to the nearest neighbours, Sun et al.,
"Out-of-Distribution Detection with Deep Nearest Neighbors", ICML 2022, arXiv:2204.06507. A familiarity is the sum of both, each
in units of its standard deviation over the training photos.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans

CENTRES = 128  # at most; from 64 to 512, the same foreign kinds are caught among photos of clothes
IMAGES_A_CENTRE = 4  # at least
SEED = 0

_SMALL = 1e-6


@dataclass(frozen=True, slots=True)
class Familiarity:
    """Holds what photos are compared with.

    `prototypes` is `(p, d)`, rows of length 1. `mean` and `deviation`, `(s,)`, bring shallow features to a common scale, on
    which `centres`, `(p, s)`, lie. `spreads` are the standard deviations of the cosine and of the distance.
    """

    prototypes: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    centres: np.ndarray
    spreads: tuple[float, float] = (1.0, 1.0)

    def judge(self, deep: np.ndarray, shallow: np.ndarray) -> np.ndarray:
        """Returns the familiarity `(n,)` float32 of photos by their features, `(n, d)` and `(n, s)`."""
        cosine, distance = self.compare(deep, shallow)
        return np.asarray(cosine / self.spreads[0] - distance / self.spreads[1], np.float32)

    def compare(self, deep: np.ndarray, shallow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the cosine to the nearest prototype, `(n,)`, and the distance to the nearest centre, for each feature."""
        scaled = (shallow - self.mean) / self.deviation
        squares = (scaled**2).sum(axis=1, keepdims=True) - 2 * scaled @ self.centres.T + (self.centres**2).sum(axis=1)
        distance = np.sqrt(np.maximum(squares.min(axis=1), 0) / len(self.mean))
        return (of_length_one(deep) @ self.prototypes.T).max(axis=1), distance


def fit_familiarity(deep: np.ndarray, shallow: np.ndarray) -> Familiarity:
    """Finds prototypes and centres in the features of training photos, `(n, d)` and `(n, s)`."""
    mean, deviation = shallow.mean(axis=0), shallow.std(axis=0) + _SMALL
    prototypes = of_length_one(_find_centres(of_length_one(deep)))
    fitted = Familiarity(prototypes, mean, deviation, _find_centres((shallow - mean) / deviation))
    spreads = [max(float(values.std()), _SMALL) for values in fitted.compare(deep, shallow)]
    return Familiarity(prototypes, mean, deviation, fitted.centres, (spreads[0], spreads[1]))


def of_length_one(rows: np.ndarray) -> np.ndarray:
    """Scales each row to the length 1."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), np.float32)


def _find_centres(rows: np.ndarray) -> np.ndarray:
    count = max(1, min(CENTRES, len(rows) // IMAGES_A_CENTRE))
    return np.asarray(KMeans(count, n_init=1, max_iter=30, random_state=SEED).fit(rows).cluster_centers_, np.float32)
