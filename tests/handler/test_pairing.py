"""Two listings side by side: properties over generated keys, among them hostile ones."""

from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from handler.objects import MAX_KEY_BYTES, ObjectRef
from handler.pairing import BLOCK_OBJECTS, Pairing, RowRef, read_ahead
from handler.store import StoredObject

# Characters on both sides of "." and of those in the suffix, of one to four bytes, and the suffix itself.
PARTS = st.sampled_from(["a", "-", ".", "/", "j", "l", "n", "0", " ", "\x00", "\x01", "ñ", "\uffff", "😀", ".json", ".jsonl"])
KEYS = st.lists(PARTS, min_size=1, max_size=6).map("".join)
SUFFIXES = st.sampled_from([".json", ".jsonl"])
OUTPUTS = st.sampled_from(["", "predictions/"])


def listed(keys, bucket="in"):
    """Objects as S3 lists them."""
    return [StoredObject(ObjectRef(bucket, key), "e", None, 1) for key in sorted(keys, key=str.encode)]


def paired(keys, places, output, suffix):
    pairing = Pairing(listed(keys), listed(places, "out"), (), output, suffix)
    return [(source.ref.key, document and document.ref.key) for source, document, _ in pairing]


@given(st.sets(KEYS), st.sets(KEYS), st.sets(KEYS), OUTPUTS, SUFFIXES)
def test_each_input_is_paired_with_its_document_and_nothing_else(keys, with_document, foreign, output, suffix):
    places = {output + key + suffix for key in with_document} | {output + key for key in foreign}

    pairs = paired(keys, places, output, suffix)

    expected = {key: output + key + suffix if output + key + suffix in places else None for key in keys}
    assert dict(pairs) == expected
    assert len(pairs) == len(keys)
    order = [f"{key}{suffix}".encode() for key, _ in pairs]
    assert order == sorted(order)


@given(st.sets(KEYS), st.sets(KEYS), st.sets(KEYS), OUTPUTS, SUFFIXES)
def test_each_input_is_paired_with_its_row_beside_its_document(keys, with_document, with_row, output, suffix):
    rows = [RowRef(key, "e") for key in sorted(with_row, key=lambda key: output + key + suffix)]
    places = [output + key + suffix for key in with_document]

    pairs = list(Pairing(listed(keys), listed(places, "out"), rows, output, suffix))

    assert {source.ref.key: row and row.key for source, _, row in pairs} == {
        key: key if key in with_row else None for key in keys
    }
    assert {source.ref.key for source, document, _ in pairs if document} == keys & with_document


@pytest.mark.parametrize(
    ("row", "holds"),
    [
        (RowRef("a.png", "e"), True),
        (RowRef("a.png", "other"), False),  # the object has changed
        (RowRef("b.png", "e"), False),
        (RowRef("a.png", "e", is_valid=False), False),  # more may be read now
    ],
)
def test_a_row_holds_for_the_state_that_it_is_about(row, holds):
    (source,) = listed(["a.png"])

    assert row.holds(source) is holds


@given(st.sets(KEYS, max_size=60), st.sets(KEYS, max_size=60), st.integers(0, 60), SUFFIXES)
@example({"a", "a-", "a-b", "a-b.json", "a.json", "a0"}, {"a", "a-b", "a.json"}, 2, ".json")
def test_a_pairing_that_begins_again_anywhere_continues_the_one_before(keys, with_document, count, suffix):
    """What was yielded, what waits and what follows `after` are all inputs, each once, and each finds its document again."""
    places = [f"{key}{suffix}" for key in with_document]
    first = Pairing(listed(keys), listed(places, "out"), (), "", suffix)
    begun = [source.ref.key for source, _, _ in islice(first, count)]
    waiting = [source.ref.key for source in first.waiting]
    after = first.after or ""

    rest = Pairing(
        [source for source in listed(keys) if source.ref.key.encode() > after.encode()],
        [document for document in listed(places, "out") if document.ref.key.encode() > after.encode()],
        (),
        "",
        suffix,
    )
    pairs = {source.ref.key: document and document.ref.key for source, document, _ in rest}

    assert sorted([*begun, *waiting, *pairs]) == sorted(keys)
    assert pairs == {key: f"{key}{suffix}" if key in with_document else None for key in pairs}


@given(st.sets(KEYS), SUFFIXES)
def test_what_waits_are_beginnings_of_one_key(keys, suffix):
    pairing = Pairing(listed(keys), [], [], "", suffix)
    for _ in pairing:
        waiting = sorted(source.ref.key for source in pairing.waiting)
        last = pairing.after
        assert all(last.startswith(key) for key in waiting)
        assert len(waiting) <= 1 + sum(character <= "." for character in last)


@pytest.mark.parametrize(("character", "most"), [("-", MAX_KEY_BYTES), ("a", 2)])
def test_no_bucket_makes_more_wait_than_a_key_has_bytes(character, most):
    """The worst bucket: each key is the beginning of the next one."""
    pairing = Pairing(listed([character * (length + 1) for length in range(MAX_KEY_BYTES)]), [], [], "", ".json")

    assert max(len(pairing.waiting) for _ in pairing) <= most


def test_a_million_keys_that_share_a_beginning_let_one_wait():
    """`img` is an input, and its document is listed after those of a hundred thousand others."""
    keys = ["img", *(f"img-{number:06}" for number in range(100_000))]
    pairing = Pairing(iter(listed(keys)), iter(()), (), "", ".json")

    assert max(len(pairing.waiting) for _ in pairing) <= 2


@given(st.integers(0, 3 * BLOCK_OBJECTS))
@example(BLOCK_OBJECTS)
@example(2 * BLOCK_OBJECTS)
def test_what_is_read_ahead_comes_in_order(count):
    with ThreadPoolExecutor(1) as pool:
        assert list(read_ahead(pool, range(count))) == list(range(count))


@pytest.mark.parametrize("count", [0, 5, BLOCK_OBJECTS, BLOCK_OBJECTS + 5])
def test_an_error_comes_after_what_was_read_before_it(count):
    def failing():
        yield from range(count)
        raise ZeroDivisionError

    with ThreadPoolExecutor(1) as pool:
        items = read_ahead(pool, failing())
        assert list(islice(items, count)) == list(range(count))
        with pytest.raises(ZeroDivisionError):
            next(items)


def test_no_more_than_a_block_is_read_ahead():
    reading, taken = iter(range(10 * BLOCK_OBJECTS)), []
    with ThreadPoolExecutor(1) as pool:
        items = read_ahead(pool, (taken.append(item) or item for item in reading))
        for _ in range(BLOCK_OBJECTS + 1):
            next(items)
    assert len(taken) == 3 * BLOCK_OBJECTS
