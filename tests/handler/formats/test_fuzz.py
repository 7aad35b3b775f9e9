"""Ten thousand damaged objects of every format: images, named members or a rejection come out, and soon, and nothing stays.

Seeded, so that a failure can be had again; its message shows which object it was.
"""

import gc
import itertools
import random
import resource
import statistics
import sys
import time

import numpy as np
import pytest

from handler.errors import RejectedInput
from handler.formats import FORMATS, HEAD_BYTES
from handler.formats.image import Image, Named, Unreadable
from handler.formats.pictures import KINDS
from tests.handler.formats.samples import decoded, limited, zipped
from tests.handler.formats.seeds import FILES, PACKS, SEEDS

MUTATIONS = 10_000
FLOOR_S = 0.25  # of processor time; the slowest takes a tenth of it
TIMES_THE_MEDIAN = 400
MOST_GROWTH_BYTES = 24 * 2**20

INTERESTING = [
    b"\0",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\0\0\0\0",
    b"\x80\0\0\0",
    b"PK\x01\x02",
    b"9",
    b"-1",
    b"\n",
]


def damaged(content, generator):
    """Some bytes of it changed, removed, added or repeated, more often near its ends, where headers and directories are."""
    result = bytearray(content)
    for _ in range(generator.choice([1, 1, 1, 2, 3, 8])):
        near = generator.choice([60, 600, len(result)])
        position = generator.randrange(min(near, len(result)) or 1)
        if generator.random() < 0.4:
            position = max(0, len(result) - 1 - position)
        length = generator.choice([1, 1, 2, 4, 30])
        match generator.randrange(6):
            case 0:
                result[position : position + 1] = bytes([generator.randrange(256)])
            case 1:
                result[position : position + length] = generator.choice(INTERESTING)
            case 2:
                result[position : position + length] = generator.randbytes(length)
            case 3:
                del result[position : position + length]
            case 4:
                result[position:position] = result[position // 2 : position // 2 + length * 8]
            case 5:
                result[position : position + 4] = generator.choice(INTERESTING)[:4].ljust(4, b"\0")
    return bytes(result)


def mutations():
    """Name and content of each, one seed after the other."""
    for number, kind in zip(range(MUTATIONS), itertools.cycle(SEEDS)):
        generator = random.Random(number)
        if kind[-3:] in PACKS and generator.random() < 0.5:  # damaged inside and packed again, to get past the checksum
            pack, unpack = PACKS[kind[-3:]]
            yield f"{number}, {kind}", pack(damaged(unpack(SEEDS[kind]), generator))
        elif kind.startswith("zip") and generator.random() < 0.3:
            files = {name: damaged(content, generator) for name, content in FILES.items()}
            yield f"{number}, {kind}", zipped(files)
        else:
            yield f"{number}, {kind}", damaged(SEEDS[kind], generator)


def peak_rss_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def test_every_format_has_a_seed():
    """A format without one would be damaged by no test, and decoded by none."""
    recognised = {known.NAME for content in SEEDS.values() for known in FORMATS if known.recognises(content[:HEAD_BYTES])}

    assert recognised == {known.NAME for known in FORMATS}, "SEEDS needs a sound object of each format in FORMATS"


def test_every_kind_of_picture_has_a_seed():
    assert all(any(kind.recognises(content) for content in SEEDS.values()) for kind in KINDS)


def test_the_seeds_are_sound(fashion_target):
    for kind, content in SEEDS.items():
        bad = [item.name for item in decoded(content, fashion_target) if isinstance(item, Unreadable)]
        assert bad == ["sparse.png"] * (kind == "tar, sparse")


@pytest.fixture
def other_tests_garbage_set_aside():
    """What other tests have left would be gone through by the garbage collector in the middle of a measurement."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.slow
@pytest.mark.usefixtures("other_tests_garbage_set_aside")
def test_damaged_objects_give_images_named_members_or_a_rejection(fashion_target):
    target = limited(fashion_target, image_pixels=10**5, member_bytes=10**6, unpacked_bytes=4 * 10**6)
    seconds, counts, half_time_bytes = {}, dict.fromkeys(["images", "members", "names", "rejections"], 0), 0
    for number, (name, content) in enumerate(mutations()):
        if number == MUTATIONS // 2:
            gc.collect()
            half_time_bytes = peak_rss_bytes()
        began = time.process_time()
        try:
            items = decoded(content, target)
        except RejectedInput as error:
            counts["rejections"] += 1
            assert "0x7f" not in str(error), name  # noqa: PT017  # either outcome is right, but never an address
        except Exception as error:
            raise AssertionError(f"{name}: {error!r}") from error
        else:
            counts["images"] += any(isinstance(item, Image) and item.pixels.shape == (28, 28, 1) for item in items)
            counts["members"] += any(isinstance(item, Unreadable) for item in items)
            counts["names"] += any(isinstance(item, Named) for item in items)
            assert all(item.pixels.dtype == np.uint8 for item in items if isinstance(item, Image)), name
        seconds[name] = time.process_time() - began

    slowest = max(seconds, key=seconds.get)
    assert seconds[slowest] < max(FLOOR_S, TIMES_THE_MEDIAN * statistics.median(seconds.values())), slowest
    assert peak_rss_bytes() - half_time_bytes < MOST_GROWTH_BYTES
    assert all(count > MUTATIONS // 50 for count in counts.values()), counts
