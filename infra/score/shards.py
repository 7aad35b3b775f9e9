"""Divides the objects of a run between several processes or machines, none of which knows of the others. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from handler.objects import ObjectRef
from infra.errors import WrongUse

MAX_SHARDS = 100_000

_SHARD = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


@dataclass(frozen=True, slots=True)
class Shard:
    """The part `number`, 1 to `count`, of all objects, divided into `count` parts of about the same size.

    An object's part depends on its bucket and key alone. So it is the same on every machine and in every run, whatever else is
    there. A folder must have one path on all machines all the same, since `infra.score.folders` knows it by that.
    """

    number: int
    count: int

    def holds(self, ref: ObjectRef) -> bool:
        """Returns whether an object belongs to this part."""
        name = f"{ref.bucket}/{ref.key}".encode()
        return int.from_bytes(hashlib.sha256(name).digest()[:8], "big") % self.count == self.number - 1

    @property
    def is_first(self) -> bool:
        """True for the part that what can be no object at all is told by, so that it is told once."""
        return self.number == 1


WHOLE = Shard(1, 1)


def parse_shard(text: str) -> Shard:
    """Returns the part that a text such as 3/16 names.

    Raises:
        WrongUse: it names none.
    """
    match = _SHARD.fullmatch(text)
    number, count = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= number <= count <= MAX_SHARDS:
        raise WrongUse(
            f"Expected a part and the number of parts, such as 3/16, up to {MAX_SHARDS:,} of them. Received: {text!r}; "
            "run the same command with 1/16, 2/16, and so on."
        )
    return Shard(number, count)
