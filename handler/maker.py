"""Defines the maker of a document, by which a document that is still right is told from one that must be replaced. Pure.

A document of predictions is right as long as the model, its thresholds and the conversion of images stay the same. The
conversion is also counted by its revision in this software, since older artifacts are served by the present rules. A rejection,
and a document in which a part of the object was rejected, is right only as long as the software reads no more than before too:
a raised limit, a queue for lists, another input prefix or a new format can lift a rejection.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from handler.contract import Model
from handler.conversion import REVISIONS
from handler.limits import Limits
from handler.objects import Prefix

# Raised whenever the software reads an object that it rejected before, or rejects one that it read before.
READING_REVISION = 3


class Maker(msgspec.Struct, frozen=True):
    """The digests that documents carry as their maker, each a SHA-256 in hexadecimal.

    `results` is the maker of documents of predictions, and `rejections` of every document that says that something was
    rejected.
    """

    results: str
    rejections: str

    @classmethod
    def of(cls, model: Model, limits: Limits, inputs: Iterable[Prefix], *, formats: Iterable[str], has_queue: bool) -> Maker:
        """Returns the maker that a model, the settings of the function, and the formats that it reads make up."""
        results = _digest(model.manifest_sha256, str(REVISIONS[model.manifest.conversion.fit]))
        reading = (READING_REVISION, msgspec.structs.astuple(limits), sorted(map(str, inputs)), sorted(formats), has_queue)
        return cls(results, _digest(results, *map(repr, reading)))

    def has_made(self, name: str | None) -> bool:
        """Returns whether `name`, the maker that a document carries, is this maker; None if the document carries none."""
        return name in {self.results, self.rejections}


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
