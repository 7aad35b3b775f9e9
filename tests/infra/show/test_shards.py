"""Rows of backlogs: which of them is the answer for an object, in which order, and what becomes of what is broken."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.objects import ObjectRef, Prefix
from infra.errors import WrongUse
from infra.show.documents import BrokenDocument, read_documents
from infra.stores.memory import MemoryStore
from tests.infra.show.backlogs import MAKER, OTHER, OUTPUT, PLACES, copy, document, mark, plan, row, shard

ROWS = f"{OUTPUT.prefix}_coatcheck/shards/{MAKER[:16]}/"


def read(store, place=OUTPUT):
    return list(read_documents(place, lambda: store))


def contents(documents):
    return [one.content for one in documents]


def faults(documents):
    """What is told of those documents that are broken."""
    told = []
    for one in documents:
        try:
            list(one.rows())
        except BrokenDocument as error:
            told.append(str(error))
    return told


@pytest.fixture
def store():
    """An output with a document of `b`, and rows of `a`, `b` and `c`, of two shards of one run."""
    store = MemoryStore()
    mark(store)
    plan(store, "may", "2026-05-01T00:00:00Z")
    shard(store, "may", 1, [(key, row(key, "may")) for key in ("a", "b")])
    shard(store, "may", 2, [("c", row("c", "may"))])
    document(store, "b", row("b", "document"))
    return store


def test_a_row_is_the_answer_for_an_object_without_a_document(store):
    found = read(store)

    assert contents(found) == [row("a", "may"), row("b", "document"), row("c", "may")]
    rows = f"s3://results/{ROWS}may"
    assert [one.place for one in found] == [f"{rows}/0000001.jsonl:1", "s3://results/out/b.json", f"{rows}/0000002.jsonl:1"]
    assert all(one.written_at for one in found)


def test_a_copied_folder_has_the_same_answers(store, tmp_path):
    copy(store, tmp_path)

    found = list(read_documents(tmp_path, store=None))

    assert contents(found) == contents(read(store))
    assert found[0].place == f"{tmp_path}/_coatcheck/shards/{MAKER[:16]}/may/0000001.jsonl:1"


def test_rows_that_are_named_themselves_are_read_without_documents(store, tmp_path):
    copy(store, tmp_path)
    plan(store, "june", "2026-06-01T00:00:00Z")
    shard(store, "june", 1, [("c", row("c", "june"))])
    may = [row(key, "may") for key in "abc"]

    assert contents(read(store, Prefix("results", ROWS))) == [*may[:2], row("c", "june")]
    assert contents(read(store, Prefix("results", f"{ROWS}may/"))) == may
    assert contents(read_documents(tmp_path / "_coatcheck" / "shards" / MAKER[:16], store=None)) == may
    assert contents(read_documents(tmp_path / "_coatcheck" / "shards" / MAKER[:16] / "may", store=None)) == may


@pytest.mark.parametrize("place", [Prefix("results", "out/_coatcheck/shards/"), Path("/results/_coatcheck/shards")])
def test_rows_of_all_models_together_are_no_answer(store, place):
    with pytest.raises(WrongUse, match="Expected the rows of one model"):
        read(store, place)


def test_rows_of_another_model_count_only_where_they_are_named(store):
    plan(store, "trial", "2026-06-01T00:00:00Z")
    shard(store, "trial", 1, [("a", row("a", "trial")), ("d", row("d", "trial"))], maker=OTHER)

    assert row("d", "trial") not in contents(read(store))
    assert contents(read(store, PLACES.rows_of(OTHER, "trial"))) == [row("a", "trial"), row("d", "trial")]
    mark(store, OTHER)
    assert contents(read(store)) == [row("a", "trial"), row("b", "document"), row("d", "trial")]


def test_the_row_of_the_run_that_was_planned_last_counts(store):
    plan(store, "april", "2026-06-01T00:00:00Z")
    shard(store, "april", 1, [("a", row("a", "planned later"))])

    assert contents(read(store))[0] == row("a", "planned later")


def test_a_shard_that_is_not_finished_has_no_rows_yet(store):
    shard(store, "may", 3, [("d", row("d"))], is_finished=False)

    assert len(read(store)) == 3
    assert faults(read(store)) == []


def test_a_shard_without_rows_needs_no_file(store):
    shard(store, "may", 3, [])
    store.remove(PLACES.rows(MAKER, "may", 3))

    assert len(read(store)) == 3


def test_objects_of_two_buckets_with_the_same_key_have_an_answer_each(store):
    shard(store, "may", 3, [(key, row(key, "two", "more-photos")) for key in ("a", "b")])

    assert contents(read(store)) == [
        *(row("a", "two", "more-photos"), row("a", "may")),
        *(row("b", "document"), row("b", "two", "more-photos")),
        row("c", "may"),
    ]


def test_a_document_that_cannot_be_read_stands_for_its_object(store):
    document(store, "b", row("b")[:-9])

    found = read(store)

    assert [one.place.rsplit("/", 1)[1] for one in found] == ["0000001.jsonl:1", "b.json", "0000002.jsonl:1"]


def test_a_document_in_lines_stands_for_its_object(store):
    document(store, "c", row("c").replace(b"predictions/", b"prediction-lines/") + b'\n{"summary": {}}\n', ".jsonl")

    assert [one.place.rsplit("/", 1)[1] for one in read(store)] == ["0000001.jsonl:1", "b.json", "c.jsonl"]


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[1]", b'{"schema": "other/1"}', b"\xff", b"[" * 10_000, row("x").replace(b"key", b"kex")]
)
def test_a_line_that_is_no_document_is_a_fault_and_costs_no_other_row(store, line):
    rows = [("a", row("a", "may")), ("a1", line), ("b", row("b", "may"))]
    shard(store, "may", 1, rows)

    found = read(store)

    assert [one.content for one in found if one.fault is None] == [row("a", "may"), row("b", "document"), row("c", "may")]
    [told] = [one for one in found if one.fault]
    assert told.place == f"s3://results/{ROWS}may/0000001.jsonl:2"
    with pytest.raises(BrokenDocument, match=r"0000001\.jsonl:2, "):
        list(told.rows())


def test_a_line_that_is_no_document_costs_no_row_where_it_is_the_first(store):
    content = store.content(PLACES.rows(MAKER, "may", 1))
    store.place(PLACES.rows(MAKER, "may", 1), b"{\n" + content)

    found = read(store)

    assert [one.content for one in found if one.fault is None] == [row("a", "may"), row("b", "document"), row("c", "may")]
    assert len([one for one in found if one.fault]) == 2  # the line, and the number of lines


def test_a_file_of_rows_that_is_cut_short_is_a_fault_wherever_it_was_cut(store):
    content = store.content(PLACES.rows(MAKER, "may", 1))

    for end in range(0, len(content) - 1, 7):
        store.place(PLACES.rows(MAKER, "may", 1), content[:end])
        found = read(store)
        assert [one.content for one in found if one.fault is None][-2:] == [row("b", "document"), row("c", "may")]
        assert len([one for one in found if one.fault]) >= 1, end


def test_a_file_of_rows_that_is_gone_is_a_fault(store):
    store.remove(PLACES.rows(MAKER, "may", 2))

    found = read(store)

    assert contents(found)[:2] == [row("a", "may"), row("b", "document")]
    assert found[2].place == f"s3://results/{ROWS}may/0000002.jsonl"
    assert found[2].fault == "which does not have the 1 rows that its index tells, but 0"


def test_rows_out_of_their_order_are_told_and_not_taken_twice(store):
    rows = [(key, row(key, "may")) for key in ("a", "c", "d", "b", "c", "e")]
    shard(store, "may", 1, rows)
    store.remove(PLACES.index(MAKER, "may", 2))

    found = read(store)

    assert [one.content for one in found if one.fault is None] == [
        row("a", "may"),
        row("b", "document"),
        row("c", "may"),
        row("d", "may"),
        row("e", "may"),
    ]
    assert [one.place[-2:] for one in found if one.fault] == [":4", ":5"]


@pytest.mark.parametrize("name", ["shards/{}/notes.txt", "shards/{}/may/0000001.jsonl.tmp", "covered/{}/may/x.jsonl.gz"])
def test_a_foreign_file_among_shards_is_told_and_costs_no_row(store, name):
    key = f"{OUTPUT.prefix}_coatcheck/{name.format(MAKER[:16])}"
    store.place(ObjectRef(OUTPUT.bucket, key), b"?")

    told, *found = read(store)

    assert told.place == f"s3://results/{key}"
    assert "move it away" in told.fault
    assert len(found) == 3


@pytest.mark.parametrize("content", [b"", b"no gzip"])
def test_an_index_that_is_broken_is_told_and_the_rows_are_read(store, content):
    store.place(PLACES.index(MAKER, "may", 1), content)

    told, *found = read(store)

    assert told.place.endswith("covered/abababababababab/may/0000001.jsonl.gz")
    assert len(found) == 3


def test_a_run_whose_plan_is_gone_counts_least_and_this_is_told(store):
    store.remove(PLACES.plan("may"))
    plan(store, "april", "2026-04-01T00:00:00Z")
    shard(store, "april", 1, [("a", row("a", "april"))])

    told, *found = read(store)

    assert told.place == "s3://results/out/_coatcheck/runs/may/plan.json"
    assert contents(found) == [row("a", "april"), row("b", "document"), row("c", "may")]


@pytest.mark.parametrize("marker", [None, b"", b"{}", b'{"results": "../../.."}'])
def test_a_marker_that_names_no_model_is_told_if_there_are_shards(store, marker):
    place = ObjectRef(OUTPUT.bucket, f"{OUTPUT.prefix}_coatcheck/maker")
    store.remove(place)
    if marker is not None:
        store.place(place, marker)

    told, *found = read(store)

    assert told.place == "s3://results/out/_coatcheck/maker"
    assert contents(found) == [row("b", "document")]


def test_a_shard_is_opened_only_when_its_turn_comes():
    opened = []
    store = MemoryStore(
        before=lambda method, place: opened.append(place) if method == "open" and "/shards/" in str(place) else None
    )
    mark(store)
    for run in ("one", "two"):
        plan(store, run, "2026-05-01T00:00:00Z")
        for number in range(1, 41):
            shard(store, run, number, [(key, row(key)) for key in (f"{number:02}-{which}" for which in range(3))])

    counts = [len(opened) for _ in read_documents(OUTPUT, lambda: store)]

    assert counts[-1] == 80
    assert [count for number, count in enumerate(counts) if count > 2 * (number // 3 + 2)] == []


KEYS = st.lists(st.sampled_from(["a", "b", "a.json", ".", "-", "/", "é", "l", "m"]), min_size=1, max_size=4).map("".join)
OBJECTS = st.sets(st.tuples(st.sampled_from(["photos", "more-photos"]), KEYS), max_size=12)
RUNS = st.permutations([1, 2, 3]).flatmap(
    lambda order: st.tuples(
        *(st.tuples(st.just(one), OBJECTS, st.sampled_from([".json", ".jsonl"]), st.integers(1, 4)) for one in order)
    )
)


@given(
    runs=RUNS,
    documents=st.dictionaries(
        KEYS, st.tuples(st.sampled_from(["photos", "more-photos"]), st.sampled_from([".json", ".jsonl"])), max_size=8
    ),
    unfinished=st.integers(0, 5),
)
def test_each_object_has_one_answer_whatever_was_written(runs, documents, unfinished):
    """Runs in any order, of any objects in shards of any size, sorted by either suffix, against a dict of answers."""
    store, answers = MemoryStore(), {}
    mark(store)
    for order, objects, suffix, size in sorted(runs):
        run, number = f"run-{(order * 2) % 5}", 0  # names are in another order than times
        plan(store, run, f"2026-05-0{order}T00:00:00Z")
        for bucket in ("photos", "more-photos"):
            keys = sorted((key for where, key in objects if where == bucket), key=lambda key: key + suffix)
            for start in range(0, len(keys), size):
                number += 1
                rows = [(key, row(key, order, bucket)) for key in keys[start : start + size]]
                shard(store, run, number, rows, is_finished=number != unfinished)
                answers |= {(bucket, key): line for key, line in rows if number != unfinished}
    for key, (bucket, suffix) in documents.items():
        document(store, key, row(key, "document", bucket), suffix)
        answers[bucket, key] = row(key, "document", bucket)

    found = read(store)

    assert sorted(contents(found)) == sorted(answers.values())
    assert faults(found) == []
    keys = [image.input.key for one in found for image in one.rows()]
    assert keys == sorted(keys, key=lambda key: f"{key}.jsonl")
