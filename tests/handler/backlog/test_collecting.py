"""The objects of a plan that are looked into, to estimate the number of images."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

from handler.backlog.collecting import MAX_SAMPLED, MAX_SAMPLED_BYTES, Collector
from handler.backlog.runs import Places, Progress
from handler.deadline import Deadline
from handler.objects import ObjectRef
from infra.stores.memory import MemoryStore
from tests.handler.backlog.world import OUTPUT


def sample_of(sources, before=None):
    with ThreadPoolExecutor(1) as pool:
        arguments = MemoryStore(), Places(OUTPUT), "run", "1" * 64, before or Progress(), pool, Deadline.after(60)
        collector = Collector(*arguments)
        for source in sources:
            collector.add(source, has_document=False)
        return collector.close(0, "", [], is_listed=True).progress


def test_the_sample_are_the_objects_of_the_smallest_digests_in_whatever_parts_they_are_collected():
    store = MemoryStore()
    sources = [store.place(ObjectRef("inbox", f"{number:03}.png"), b"x") for number in range(100)]
    digests = sorted((hashlib.blake2b(f"inbox/{one.ref.key}".encode(), digest_size=8).hexdigest(), one.ref) for one in sources)
    expected = [(digest, ref.bucket, ref.key) for digest, ref in digests[:MAX_SAMPLED]]

    assert sample_of(sources).sample == expected
    assert sample_of(sources[40:], sample_of(sources[:40])).sample == expected
    assert sample_of(sources[:5]).sample == sorted(one for one in sample_of(sources[:5]).sample)
    assert len(sample_of(sources[:5]).sample) == 5


def test_an_object_of_more_than_eight_megabytes_is_not_looked_into():
    store = MemoryStore()
    small = store.place(ObjectRef("inbox", "a"), bytes(MAX_SAMPLED_BYTES))
    large = store.place(ObjectRef("inbox", "b"), bytes(MAX_SAMPLED_BYTES + 1))

    assert [key for *_, key in sample_of([small, large]).sample] == ["a"]
