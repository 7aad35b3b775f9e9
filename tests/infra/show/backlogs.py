"""Outputs of backlogs in memory and in folders, made by hand: runs, their finished shards, and the marker."""

import json

import msgspec

from handler.backlog.files import Entry, Index, IndexHead, encode_index
from handler.backlog.runs import Places
from handler.objects import ObjectRef, Prefix
from handler.predictions import Input, ModelName, Prediction, PredictionDocument, Summary

OUTPUT = Prefix("results", "out/")
PLACES = Places(OUTPUT)
MAKER, OTHER = "ab" * 32, "cd" * 32


def row(key, note="", bucket="photos"):
    """A document in one line, of one image, whose ETag is a note to know it by."""
    source = Input(bucket, key, str(note), None, 7, "png")
    coat = Prediction(image=key, class_index=4, class_name="Coat", confidence=0.9, unsure=False, probabilities=[0.1, 0.9])
    summary = Summary(images=1, rejected=0, mean_confidence=0.9, by_class={"Coat": 1})
    model = ModelName("fashion-mnist", "2.0.0", MAKER)
    return msgspec.json.encode(PredictionDocument(input=source, model=model, summary=summary, predictions=[coat], rejected=[]))


def mark(store, maker=MAKER):
    names = {"results": maker, "rejections": "ef" * 32}
    store.place(ObjectRef(OUTPUT.bucket, f"{OUTPUT.prefix}_coatcheck/maker"), json.dumps(names).encode(), names)


def plan(store, run, planned_at):
    store.place(PLACES.plan(run), json.dumps({"planned_at": planned_at}).encode())


def shard(store, run, number, rows, *, maker=MAKER, is_finished=True):
    """Places a shard of `rows`, pairs of a key and the line of its row."""
    store.place(PLACES.rows(maker, run, number), b"".join(line + b"\n" for _, line in rows))
    if is_finished:
        head = IndexHead(
            run=run,
            number=number,
            bucket="photos",
            results=maker,
            rejections="ef" * 32,
            outcomes={},
            images=len(rows),
            bytes=0,
            seconds=0.0,
        )
        store.place(PLACES.index(maker, run, number), encode_index(Index(head, [Entry(key, "e0") for key, _ in rows])))


def document(store, key, content, suffix=".json"):
    store.place(ObjectRef(OUTPUT.bucket, f"{OUTPUT.prefix}{key}{suffix}"), content)


def copy(store, folder):
    """Copies an output into a folder, as `aws s3 sync` does, which leaves metadata out."""
    for ref in store.refs():
        path = folder / ref.key.removeprefix(OUTPUT.prefix)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(store.content(ref))
