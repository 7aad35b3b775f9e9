"""Starts the stub with the sample images, `uploads/00000.png` and so on, and one packed object.

python -m infra.bench.stub [PACKED_IMAGES]       prints its port; the end of standard input ends it
"""

from __future__ import annotations

import asyncio
import sys

from infra.bench.samples import BUCKET, PACKED_KEY, SINGLES, packed_object, read_pngs, single_key
from infra.bench.stub.server import serve
from infra.bench.stub.shelf import Entry, Shelf


def main(packed_images: int) -> None:
    """Serves SINGLES pictures and one IDX object of `packed_images` images."""
    pngs = [Entry.of(content, {"Content-Type": "image/png"}) for content in read_pngs()]
    objects = {f"/{BUCKET}/{single_key(number)}": pngs[number % len(pngs)] for number in range(SINGLES)}
    objects[f"/{BUCKET}/{PACKED_KEY}"] = Entry.of(packed_object(packed_images), {"Content-Type": "application/octet-stream"})
    asyncio.run(serve(Shelf(objects)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
