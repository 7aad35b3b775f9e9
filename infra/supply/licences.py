"""Tells the licence of a packaged distribution, as an SPDX expression, and refuses one that nobody has agreed to.

Distributions state their licences in three ways: as an expression, as a text, and as classifiers. Where there is no expression,
every licence that is named counts, unless the text says that one may choose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import PackageMetadata

from infra.errors import InfraError

# What may be in the package. Each of them allows use in closed products; LGPL-3.0-only is that of the decoder of HEIC, which
# is packaged by HEIC=1 alone, and whose libraries can be replaced by others.
ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "BSD-3-Clause",
    "CC0-1.0",
    "LGPL-3.0-only",
    "MIT",
    "MIT-0",
    "MIT-CMU",
    "PSF-2.0",
    "Zlib",
}
_NAMES = {
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
}
_CHOICE = "Dual License"  # the text of a distribution that may be used under either of its classifiers' licences


def licence_of(metadata: PackageMetadata) -> str:
    """Returns the licence that a distribution's metadata state, as an SPDX expression.

    Raises:
        InfraError: they state none, or one that is not in `ALLOWED`.
    """
    stated = metadata.json
    expression = stated.get("license_expression") or _joined(str(stated.get("license", "")), stated.get("classifier", []))
    unknown = set(re.findall(r"[\w.+-]+", str(expression))) - {"AND", "OR"} - ALLOWED
    if unknown or not expression:
        raise InfraError(
            f"Expected a licence that infra/supply/licences.py allows. Received: {expression or 'none'} of {metadata['Name']}."
        )
    return str(expression)


def _joined(text: str, classifiers: Iterable[str]) -> str:
    classifiers = [line.split(" :: ")[-1] for line in classifiers if line.startswith("License :: ")]
    stated = classifiers if text == _CHOICE else [text, *classifiers] if text else classifiers
    return (" OR " if text == _CHOICE else " AND ").join(sorted({_NAMES.get(name, name) for name in stated}))
