"""The checker of the promises has teeth: a world in which all is well passes, and one that breaks a promise is found."""

import dataclasses
import json

import pytest

from tests.promises import Answer, DeadLetter, Message, Seen, violations

MODEL = "f" * 64


def document(key="uploads/a.png", etag="e1", model=MODEL, **more):
    named = {"bucket": "in", "key": key, "etag": etag, "version_id": None, "size_bytes": 3, "format": "png"}
    error = {"name": "EmptyObject", "message": "Expected images. Received: none."}
    content = {"schema": "coatcheck.rejection/2", "input": named, "error": error, **more}
    return json.dumps(content | {"model": {"name": "m", "version": "1", "sha256": model}}).encode()


def lines(*, is_whole=True):
    head = json.loads(document())
    first = {"schema": "coatcheck.prediction-lines/2", "input": head["input"], "model": head["model"]}
    end = {"summary": {"images": 0, "rejected": 0, "mean_confidence": None, "by_class": {}}}
    return "".join(json.dumps(line) + "\n" for line in ([first, end] if is_whole else [first])).encode()


A, B = "s3://in/uploads/a.png", "s3://in/uploads/b.png"
PLACE_A, PLACE_B = "s3://out/predictions/uploads/a.png.json", "s3://out/predictions/uploads/b.png.json"
ALL = {PLACE_A: document(), PLACE_B: document("uploads/b.png", "e2")}
ANSWER = Answer(
    messages=(Message("m1", (A,), is_failed=False), Message("m2", (B,), is_failed=False)),
    inputs={A: "e1", B: "e2"},
    documents=ALL,
)
WELL = Seen(
    prefixes=("s3://in/uploads/",),
    output="s3://out/predictions/",
    inputs={A: "e1", B: "e2"},
    asked={A, B},
    after=ALL | {"s3://out/predictions/_coatcheck/maker": b"{}", "s3://out/other": b"x"},
    models={MODEL},
    before={PLACE_A: document()},
    expected=ALL,
    strays={"s3://out/other"},
    written=((PLACE_A, document()), (PLACE_B, document("uploads/b.png", "e2"))),
    read={A, B},
    answers=(ANSWER,),
)


def but(**changes):
    return dataclasses.replace(WELL, **changes)


def answered(*messages, **changes):
    return but(answers=(dataclasses.replace(ANSWER, messages=messages or ANSWER.messages, **changes),))


def test_a_world_in_which_all_is_well_breaks_no_promise():
    assert violations(WELL) == []


def after(**changes):
    """The world with other documents, which nothing else is compared with."""
    return but(after=WELL.after | changes.pop("and_", {}), before={}, expected={}, **changes)


BROKEN = {
    "I1 nowhere": ("I1: ", but(after={PLACE_A: document()}, expected={}, strays=())),
    "I1 document and dead letter": ("I1: ", but(dead=(DeadLetter("m1", (A,)),), sick={A})),
    "I1 document and row": ("I1: ", but(rows=((A, "e1"),))),
    "I1 two rows": ("I1: ", but(asked={B}, inputs={B: "e2"}, rows=((B, "e2"), (B, "e2")))),
    "I2 cut": ("I2: ", after(and_={PLACE_B: document("uploads/b.png", "e2")[:-20]})),
    "I2 invalid": ("I2: ", after(and_={PLACE_B: document("uploads/b.png", "e2", error={"name": 3})})),
    "I2 another schema": ("I2: ", after(and_={PLACE_B: document("uploads/b.png", "e2", schema="coatcheck.other/2")})),
    "I2 another model": ("I2: ", after(and_={PLACE_B: document("uploads/b.png", "e2", model="0" * 64)})),
    "I2 another place": ("I2: ", after(and_={"s3://out/predictions/uploads/c.png.json": document()})),
    "I2 lines without an end": ("I2: ", after(and_={PLACE_A: lines(is_whole=False)})),
    "I3 in the end": ("I3: ", but(inputs={A: "e9", B: "e2"}, asked={A, B})),
    "I3 on the way": (
        "I3: ",
        but(
            states={A: ("e0", "e1")},
            written=((PLACE_A, document()), (PLACE_A, document(etag="e0")), (PLACE_A, document())),
        ),
    ),
    "I4 changed": ("I4: ", but(before={PLACE_A: document(more=1)}, expected={})),
    "I4 lost": ("I4: ", but(before={"s3://out/predictions/uploads/gone.png.json": document()})),
    "I4 unlike a run without faults": ("I4: ", but(expected={PLACE_A: document(more=1)})),
    "I4 written twice": ("I4: ", but(written=((PLACE_A, document(more=1)), (PLACE_A, document())))),
    "I5 written elsewhere": ("I5: ", but(after=WELL.after | {"s3://out/elsewhere": b"x"})),
    "I5 written to an input": ("I5: ", but(written=((A, b"x"),))),
    "I5 a stray is gone": ("I5: ", but(strays={"s3://out/other", "s3://out/another"})),
    "I5 read a document": ("I5: ", but(read={PLACE_A})),
    "I5 read elsewhere": ("I5: ", but(read={"s3://in/secret"})),
    "I5 a document of a document": (
        "I5: ",
        after(and_={"s3://out/predictions/predictions/x.json": document("predictions/x")}),
    ),
    "I6 done too early": ("I6: ", answered(documents={PLACE_A: document()})),
    "I6 done for an older state": ("I6: ", answered(inputs={A: "e9", B: "e2"})),
    "I6 refused but done": ("I6: ", answered(Message("m3", ("s3://in/secret",), is_failed=False))),
    "I6 failed though done": ("I6: ", answered(Message("m1", (A,), is_failed=True))),
    "I7 a healthy object": ("I7: ", but(dead=(DeadLetter("m1", (A,)),), after={}, before={}, expected={}, strays=())),
    "I7 one of two objects": ("I7: ", but(dead=(DeadLetter("m1", (A, B)),), sick={A})),
    "I7 a sweep": ("I7: ", but(dead=(DeadLetter("sweep", ()),))),
    "I8 too late": ("I8: ", answered(left_s=-0.01)),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_world_that_breaks_a_promise_is_found(name):
    promise, seen = BROKEN[name]

    assert any(text.startswith(promise) for text in violations(seen)), violations(seen)


def test_there_is_a_broken_world_for_every_promise():
    assert {promise for promise, _ in BROKEN.values()} == {f"I{number}: " for number in range(1, 9)}


ALLOWED = {
    "a gone object needs no end": but(inputs={A: "e1"}, answers=(), after={PLACE_A: document()}, expected={}, strays=()),
    "a row is an end": but(
        rows=((B, "e2"),),
        after={PLACE_A: document()},
        expected={},
        strays=(),
        answers=(dataclasses.replace(ANSWER, rows={(B, "e2")}, documents={PLACE_A: document()}),),
    ),
    "a sick object may die": but(
        inputs={A: "e1"},
        asked={A, "s3://in/secret"},
        sick={"s3://in/secret"},
        dead=(DeadLetter("m9", ("s3://in/secret",)),),
        answers=(),
    ),
    "a refused object fails": answered(Message("m3", ("s3://in/secret",), is_failed=True)),
    "an unfinished object fails": answered(Message("m1", (A,), is_failed=True), documents={}),
    "an unfinished object is sent again": answered(Message("m1", (A,), is_failed=False, is_sent_again=True), documents={}),
    "a disturbed object may fail though done": answered(Message("m1", (A,), is_failed=True, is_disturbed=True)),
    "a superseded object is done": answered(inputs={A: "e9", B: "e2"}, superseded={A}),
    "an input may change back": but(
        states={A: ("e1", "e0", "e1")},
        written=((PLACE_A, document()), (PLACE_A, document(etag="e0")), (PLACE_A, document())),
    ),
    "another model gives other bytes": but(written=((PLACE_A, document(more=1)), (PLACE_A, document())), has_one_maker=False),
    "lines are a document": after(and_={PLACE_A: lines()}),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_allowed_is_no_violation(name):
    assert violations(ALLOWED[name]) == []
