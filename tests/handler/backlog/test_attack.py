"""What a backlog did wrong until somebody tried to break it."""

import gzip

import msgspec
import pytest

from handler.backlog.tasks import parse_task
from handler.deadline import Deadline, TimeBudget
from handler.errors import StaleRun, StorageUnavailable, UnrecognisedEvent
from handler.layout import LayoutName
from handler.maker import Maker
from handler.objects import ObjectRef
from handler.pairing import PlaceOrder
from handler.store import StoredObject
from infra.show.documents import read_documents
from infra.stores.memory import MemoryStore
from tests.handler.backlog.world import INPUT, OUTPUT, World, picture
from tests.handler.conftest import LIMITS
from tests.handler.values import MAKER


def answers(bucket):
    """What every command that reads documents takes for the answers."""
    return list(read_documents(OUTPUT, lambda: bucket.store))


def ask(bucket, *keys, number=1):
    lines = b"".join(msgspec.json.encode([INPUT, key, None]) + b"\n" for key in keys)
    folder = bucket.places.asked("first")
    bucket.store.place(ObjectRef(folder.bucket, f"{folder.prefix}{number:05d}.jsonl.gz"), gzip.compress(lines))


def test_a_document_of_an_earlier_state_is_replaced_and_hides_no_row(world):
    bucket = world()
    bucket.put_many(3)
    bucket.upload("uploads/000001.png")
    bucket.settle()
    changed = bucket.put("uploads/000001.png", picture(99))
    bucket.settle()

    summary = bucket.run()

    inputs = [msgspec.json.decode(one.content)["input"] for one in answers(bucket)]
    assert [one["key"] for one in inputs] == [f"uploads/{number:06d}.png" for number in range(3)]
    assert inputs[1]["etag"] == changed.etag
    assert (summary["outcomes"]["scored"], summary["failed"]) == (3, 0)
    assert bucket.row_keys() == ["uploads/000000.png", "uploads/000002.png"]
    assert bucket.plan("second")["plan"]["objects"] == 0


def test_a_listed_object_with_a_document_of_an_earlier_state_gets_a_new_document(world):
    bucket = world()
    bucket.put_many(2)
    bucket.upload("uploads/000001.png")
    changed = bucket.put("uploads/000001.png", picture(99))
    ask(bucket, "uploads/000000.png", "uploads/000001.png")

    bucket.run(listed=True)

    assert msgspec.json.decode(bucket.document("uploads/000001.png"))["input"]["etag"] == changed.etag
    assert bucket.row_keys() == ["uploads/000000.png"]


def test_a_repeated_shard_tells_of_its_documents_and_of_the_rows_that_are_there(world):
    bucket = world()
    bucket.put_many(3)
    bucket.upload("uploads/000001.png")
    bucket.put("uploads/000001.png", picture(99))
    (shard,) = bucket.shards(bucket.plan())
    bucket.do(shard)
    (index,) = bucket.indexes()
    bucket.store.remove(bucket.places.index(index.head.results, "first", 1))

    bucket.do(shard)

    (again,) = bucket.indexes()
    assert again.entries == index.entries
    assert (again.head.unfinished, again.head.images) == ([], 2)  # the document is done, and is not read again
    assert dict(again.head.outcomes) == {"scored": 2, "duplicate": 1}


def test_a_key_that_is_named_twice_has_one_row(world):
    bucket = world()
    keys = bucket.put_many(2)
    ask(bucket, keys[0], keys[0], keys[1])

    bucket.run(listed=True)

    assert bucket.row_keys() == keys


CHAIN = ["uploads/a", "uploads/a!", "uploads/a-b", "uploads/a.b", "uploads/a/b", "uploads/a/b-c"]  # in the order of keys


@pytest.mark.parametrize("files", [1, 3])
@pytest.mark.parametrize("layout", [LayoutName.JSON, LayoutName.LINES])
def test_listed_keys_that_begin_each_other_are_done_for_plans_sweeps_and_tables(world, files, layout):
    bucket = world(layout=layout)
    for number, key in enumerate(CHAIN):
        bucket.put(key, picture(number))
    for number in range(files):
        ask(bucket, *CHAIN[number * len(CHAIN) // files : (number + 1) * len(CHAIN) // files], number=number + 1)

    bucket.run(listed=True, max_seconds=1e-9)  # an invocation for each file

    assert bucket.row_keys() == sorted(CHAIN, key=lambda key: key + bucket.scorer.documents.layout.suffix)
    assert bucket.plan("second")["plan"]["left_out"] == {"done": len(CHAIN)}
    assert bucket.sweep().sent == 0
    assert [one.fault for one in answers(bucket)] == [None] * len(CHAIN)


def test_objects_of_several_buckets_come_in_the_order_of_their_buckets():
    named = [("a", "k"), ("a", "k-b"), ("b", "k"), ("b", "k!"), ("b", "l")]
    sources = [StoredObject(ObjectRef(*one), "", None, 0) for one in named]
    first = PlaceOrder(".json", ())
    found = list(first.add(sources[:1]))
    second = PlaceOrder(".json", first.waiting)

    found += [*second.add(sources[1:]), *second.rest()]

    assert [(one.ref.bucket, one.ref.key) for one in found] == [
        ("a", "k-b"),
        ("a", "k"),
        ("b", "k!"),
        ("b", "k"),
        ("b", "l"),
    ]


def test_the_rows_of_a_list_count_where_nothing_else_was_ever_written(world):
    bucket = world()
    ask(bucket, *bucket.put_many(3))

    bucket.run(listed=True)

    assert [one.fault for one in answers(bucket)] == [None] * 3


def test_an_index_tells_of_the_rows_that_are_there_also_if_their_objects_are_gone(world):
    bucket = world()
    bucket.put("uploads/a.png")
    (shard,) = bucket.shards(bucket.plan())

    def die(method, place):
        if method == "create" and "/covered/" in getattr(place, "key", ""):
            raise StorageUnavailable("killed")

    bucket.store.before = die
    with pytest.raises(StorageUnavailable):
        bucket.do(shard)
    bucket.store.before = lambda *_: None
    bucket.store.remove(ObjectRef(INPUT, "uploads/a.png"))

    bucket.do(shard)

    (index,) = bucket.indexes()
    assert [entry.key for entry in index.entries] == bucket.row_keys() == ["uploads/a.png"]


def test_a_worker_that_finds_nothing_leaves_no_room_for_the_rows_of_another(world):
    bucket = world()
    bucket.put("uploads/a.png")
    (shard,) = bucket.shards(bucket.plan())

    def overtake(method, place):
        if method == "create" and "/covered/" in getattr(place, "key", ""):
            bucket.store.before = lambda *_: None
            bucket.put("uploads/a.png")
            bucket.do(shard)

    bucket.store.remove(ObjectRef(INPUT, "uploads/a.png"))
    bucket.store.before = overtake
    bucket.do(shard)

    (index,) = bucket.indexes()
    assert [entry.key for entry in index.entries] == bucket.row_keys() == []
    assert bucket.plan("second")["plan"]["objects"] == 1


def test_a_list_of_shards_that_is_none_is_told_by_its_place(world):
    bucket = world()
    bucket.put_many(3)
    bucket.run()
    answer = bucket.plan()
    bucket.store.place(ObjectRef(answer["bucket"], answer["shards_key"]), b'{"a": 1}')

    assert answer["shards_key"] in str(bucket.sweep().error)
    with pytest.raises(StorageUnavailable, match=r"shards\.json: Expected `array`"):
        bucket.plan("second")
    with pytest.raises(StorageUnavailable, match=r"shards\.json: Expected `array`"):
        bucket.do({"job": "summarise", "run": "first"})


def test_a_plan_that_was_begun_for_another_model_is_not_gone_on_with(world):
    """It left out what has a row of that model, which the other one's run would never score."""
    before = world()
    before.put_many(250)
    before.run()
    before.put_many(250, "uploads/z")
    begun = before.do({"job": "plan", "run": "second", "max_seconds": 1e-9})
    after = world(store=before.store, maker=Maker("7" * 64, "8" * 64))

    with pytest.raises(StaleRun, match="other ones, since the function was deployed anew; plan it from the beginning"):
        after.do(begun)
    assert after.plan("second")["plan"]["objects"] == 500


@pytest.mark.parametrize("run", ["a\n", "a/b", "../a", "", "é"])
def test_a_run_of_a_strange_name_is_refused(run):
    for event in ({"job": "plan", "run": run}, {"job": "summarise", "run": run}):
        with pytest.raises(UnrecognisedEvent):
            parse_task(event)


class Died(BaseException):
    """The end of the process, which nothing catches."""


def test_a_run_is_planned_although_an_object_ends_every_process_that_reads_it(world):
    bucket = world()
    keys = bucket.put_many(5)

    def die(method, place):
        if method == "open" and getattr(place, "key", "") == keys[3]:
            raise Died

    bucket.store.before = die
    with pytest.raises(Died):
        bucket.plan()

    plan = bucket.plan()["plan"]

    assert (plan["objects"], plan["sampled"]) == (5, {"objects": 0, "images": 0})


def test_no_shard_lies_in_two_prefixes(world):
    """Their order is that of INPUT_URIS, and a shard's rows, and the shards themselves, must be in that of their places."""
    bucket = world()
    for key in ("uploads/1.png", "more/1.png", "more/2.png"):
        bucket.put(key)

    bucket.run()
    bucket.settle()

    assert [one.fault for one in answers(bucket)] == [None] * 3
    assert bucket.sweep().missing == 0
    assert bucket.plan("second")["plan"]["objects"] == 0


def test_a_plan_replaces_no_document_of_another_model_because_a_look_at_it_failed(world):
    store = MemoryStore()
    before = world(store=store, maker=msgspec.structs.replace(MAKER, results="3" * 64))
    keys = before.put_many(3)
    before.upload(*keys)
    documents = {key: before.document(key) for key in keys}
    bucket, failed = world(store=store), []

    def fail(method, place):
        if method == "head" and place.key.endswith("000001.png.json") and not failed:
            failed.append(place)
            raise StorageUnavailable("Expected an answer. Received: SlowDown.")

    store.before = fail
    with pytest.raises(StorageUnavailable, match="SlowDown"):
        bucket.plan()
    bucket.run()  # Step Functions asks for the plan once more

    assert bucket.rows() == []
    assert {key: bucket.document(key) for key in keys} == documents


def test_a_plan_that_was_begun_for_other_inputs_is_not_gone_on_with(world):
    """Its progress names a prefix by its number among the inputs."""
    bucket = world()
    bucket.put_many(150)
    over = TimeBudget(Deadline.after(-1), Deadline.after(600))
    begun = bucket.do({"job": "plan", "run": "first"}, over)
    scorer = bucket.backlog.scorer
    inputs = msgspec.structs.replace(scorer.inputs, prefixes=scorer.inputs.prefixes[::-1])
    bucket.backlog = msgspec.structs.replace(bucket.backlog, scorer=msgspec.structs.replace(scorer, inputs=inputs))

    with pytest.raises(StaleRun, match="Expected the model and the inputs for which the run 'first' was begun"):
        bucket.do(begun, over)


def test_a_summary_names_the_model_that_made_the_rows_and_not_the_one_that_is_deployed_by_then(world, manifest, model):
    bucket = world()
    bucket.put_many(3)
    named = bucket.run()["model"]
    later = msgspec.structs.replace(model, manifest=msgspec.structs.replace(manifest, version="9.9.9"))
    other = World(later, LIMITS, another=model, store=bucket.store, maker=msgspec.structs.replace(MAKER, results="9" * 64))

    assert other.do({"job": "summarise", "run": "first"})["model"] == named
