"""`coatcheck evaluate` and `coatcheck compare`, as a user calls them, on samples whose classes are known."""

import csv
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.judging.comparing import describe
from infra.judging.comparison import Trial, open_pair
from infra.show.documents import read_documents
from infra.show.rereading import Predicted
from infra.stores.memory import MemoryStore
from tests.infra.score.conftest import IMAGES, ROOT
from tests.infra.show import backlogs
from training.data.labels import Label, Labels

FOLDERS = {"T-Shirts & tops": None, "t-shirt-top": "t-shirt-top", "Trousers": "trouser", "ankle_boots": "ankle-boot"}


GIVEN = st.none() | st.tuples(st.integers(0, 8).map(lambda eighths: eighths / 8), st.booleans())


def marked(key, confidence, is_unsure):
    return Predicted(bucket="b", key=f"{key}", image="i", class_name="Coat", confidence=confidence, unsure=is_unsure)


def run(*arguments, cwd=ROOT):
    return subprocess.run(
        [sys.executable, "-m", "infra", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )


def answer(*arguments):
    done = run(*arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.fixture
def labelled(tmp_path):
    """Ten samples of each of three classes, in folders that are named loosely after them."""
    for folder, name in FOLDERS.items():
        if name:
            (tmp_path / "labelled" / folder).mkdir(parents=True)
            for path in sorted(IMAGES.glob(f"{name}-?.png")):
                shutil.copy(path, tmp_path / "labelled" / folder)
    return tmp_path / "labelled"


@pytest.fixture
def documents(labelled, tmp_path):
    out = tmp_path / "documents"
    assert run("score", labelled, "--out", out, "--json").returncode == 0
    return out


def rewrite(documents, out, change):
    """Copies documents with their predictions changed."""
    shutil.copytree(documents, out)
    for path in out.rglob("*.png.json"):
        if ".coatcheck" not in path.parts:
            document = json.loads(path.read_text())
            change(document)
            path.write_text(json.dumps(document))


def test_images_in_folders_are_scored_and_measured(labelled):
    found = answer("evaluate", "--labels", labelled)

    assert (found["images"], found["rejected"], found["unlabelled"]) == (30, 0, 0)
    assert found["accuracy"]["part"] == 27
    classes = "T-shirt/top", "Trouser", "Ankle boot", "Coat"
    assert [found["classes"][name]["recall"]["whole"] for name in classes] == [10, 10, 10, 0]
    assert sum(confusion["images"] for confusion in found["confusions"]) == 3
    assert sum(one["images"] for one in found["reliability"]) == 30
    assert found["unsure"]["caught_of_wrong"]["whole"] == 3
    assert found["unfamiliar"]["caught_of_wrong"]["whole"] == 3


def test_documents_that_are_there_give_the_same_figures_as_scoring(labelled, documents):
    assert answer("evaluate", documents, "--labels", labelled) == answer("evaluate", "--labels", labelled)


def test_a_table_of_labels_as_the_sheet_saves_it_is_read(labelled, documents, tmp_path):
    rows = [
        ("labelled/Trousers/trouser-0.png", "trouser-0.png", "Trouser"),
        ("labelled/Trousers/trouser-1.png", "trouser-1.png", "Dress"),
        ("labelled/Trousers/trouser-2.png", "trouser-2.png", ""),
    ]
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("object", "image", "class_name"), *rows])

    found = answer("evaluate", documents, "--labels", tmp_path / "labels.csv")

    assert (found["images"], found["accuracy"]["part"], found["unlabelled"], found["missing"]) == (2, 1, 28, 0)
    assert found["confusions"] == [{"true": "Dress", "predicted": "Trouser", "images": 1}]


def test_rejected_images_are_counted_apart(labelled):
    (labelled / "Trousers" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")

    found = answer("evaluate", "--labels", labelled)

    assert (found["images"], found["rejected"]) == (30, 1)


def test_labels_of_images_that_are_in_no_document_are_counted(labelled, documents):
    (documents / "Trousers" / "trouser-0.png.json").unlink()
    (documents / "Trousers" / "trouser-1.png.json").unlink()

    found = answer("evaluate", documents, "--labels", labelled)

    assert (found["images"], found["missing"], found["unlabelled"]) == (28, 2, 0)
    assert "in no document, and in no figure: the images of 2 labels" in run("evaluate", documents, "--labels", labelled).stdout


@pytest.mark.parametrize("command", [("evaluate",), ("compare", "{documents}")])
def test_a_file_name_that_several_images_have_labels_none_of_them(labelled, tmp_path, command):
    for folder, path in zip(("x", "y"), sorted(IMAGES.glob("*-0.png"))[:2], strict=True):
        (tmp_path / "same" / folder).mkdir(parents=True)
        shutil.copy(path, tmp_path / "same" / folder / "1.png")
    documents = tmp_path / "documents"
    assert run("score", tmp_path / "same", "--out", documents, "--json").returncode == 0
    (tmp_path / "labels.csv").write_text("image,class\n1.png,coat\n")

    name, *first = (part.format(documents=documents) for part in command)
    done = run(name, *first, documents, "--labels", tmp_path / "labels.csv")

    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert "Received: 1.png, which is y/1.png and another image too" in done.stderr


def test_what_lies_among_the_images_and_cannot_be_scored_is_told(labelled):
    (labelled / "Trousers" / "link.png").symlink_to("trouser-0.png")
    (labelled / "Trousers" / os.fsdecode(b"\xff.png")).write_bytes(b"")

    done = run("evaluate", "--labels", labelled, "--json")

    assert (done.returncode, json.loads(done.stdout)["images"]) == (1, 30)
    assert "Expected a name in UTF-8" in done.stderr
    assert "Received: 1 links" in done.stderr


def test_people_read_the_figures_with_their_bounds(labelled):
    done = run("evaluate", "--labels", labelled)

    assert done.returncode == 0
    assert "right: 90.0% (74.4% to 96.5%, 27 of 30)" in done.stdout
    assert "Fewer than 30 images say little: T-shirt/top, Trouser, Ankle boot." in done.stdout
    assert "unsure: 100.0% (43.9% to 100.0%, 3 of 3) of the wrong predictions are marked; 7.4%" in done.stdout


def test_where_no_prediction_is_wrong_no_mark_is_said_to_catch_one(labelled):
    shutil.rmtree(labelled / "ankle_boots")

    assert "unsure: no prediction is wrong; " in run("evaluate", "--labels", labelled).stdout


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("--labels", "nothing"), 2, "Expected a folder of folders named after classes, or a CSV"),
        (("nothing", "--labels", "{labelled}"), 2, "Expected a folder of documents"),
        (("--labels", "{labelled}", "--artifact", "nothing"), 2, "Expected the artifact of a model"),
        (("--labels", "{labelled}", "--map", "pants"), 2, "Expected --map WORD=CLASS"),
        (("--labels", "{labelled}", "--map", "pants=Pants"), 2, "Expected one of the classes"),
        (("--labels", "{labelled}/.."), 2, "Expected one of the classes T-shirt/top, Trouser"),
        (("{labelled}", "--labels", "{labelled}"), 1, "Expected documents of labelled images. Received: 0 images"),
        ((), 2, "Missing option '--labels'"),
    ],
)
def test_what_cannot_be_measured_is_told_in_one_line(labelled, arguments, status, told):
    done = run("evaluate", *(argument.format(labelled=labelled) for argument in arguments))

    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (status, "", 1)
    assert told in done.stderr


def test_documents_of_another_model_are_no_documents_of_this_one(labelled, documents, tmp_path):
    rewrite(documents, tmp_path / "other", lambda document: document["model"].update(sha256="0" * 64, name="other"))

    done = run("evaluate", tmp_path / "other", "--labels", labelled)

    assert done.returncode == 1
    assert "name its artifact with --artifact" in done.stderr


@pytest.fixture
def changed(documents, tmp_path):
    """The same documents, with the trousers called dresses, and unsure; one image is missing, and another one is new."""

    def change(document):
        for row in document["predictions"]:
            if row["class_name"] == "Trouser":
                row.update(class_name="Dress", class_index=3, confidence=0.5, unsure=True)

    rewrite(documents, tmp_path / "changed", change)
    (tmp_path / "changed" / "ankle_boots" / "ankle-boot-0.png.json").unlink()
    new = tmp_path / "changed" / "new.png.json"
    new.write_text((documents / "Trousers" / "trouser-0.png.json").read_text().replace("Trousers/trouser-0.png", "new.png"))
    return tmp_path / "changed"


def test_what_changed_is_counted_by_class(documents, changed):
    found = answer("compare", documents, changed)

    assert (found["both"], found["only_first"], found["only_second"], found["changed"]) == (29, 1, 1, 10)
    assert found["changes"] == [{"before": "Trouser", "after": "Dress", "images": 10}]
    assert found["classes"]["Trouser"] == [10, 0]
    assert found["classes"]["Dress"] == [0, 10]
    assert (found["fell"], found["rose"]) == (10, 0)
    assert [round(change, 1) for change in found["tenths"]] == [-0.5] * 3 + [0.0] * 7
    assert found["unsure"] == {"before": 5, "after": 15, "gained": 10, "lost": 0}
    assert found["labelled"] is None


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_tables_are_compared_like_documents(documents, changed, tmp_path, suffix):
    tables = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    for place, table in zip((documents, changed), tables, strict=True):
        assert run("table", place, "--out", table).returncode == 0

    expected = answer("compare", documents, changed)
    assert answer("compare", *tables) == expected
    assert answer("compare", documents, tables[1]) == expected


def test_labels_say_which_is_better_and_whether_it_is_noise(labelled, documents, changed):
    found = answer("compare", documents, changed, "--labels", labelled)["labelled"]

    assert (found["first_alone"], found["second_alone"], found["images"]) == (10, 0, 29)
    assert found["p"] == pytest.approx(2 * 0.5**10)
    assert "is more than noise" in run("compare", documents, changed, "--labels", labelled).stdout


def test_a_word_of_labels_means_what_the_user_says(documents, tmp_path):
    (tmp_path / "labels.csv").write_text("path,class\nTrousers/trouser-0.png,pants\n")

    found = answer("compare", documents, documents, "--labels", tmp_path / "labels.csv", "--map", "pants=Trouser")

    assert (found["labelled"]["images"], found["labelled"]["both"]) == (1, 1)


def test_labels_of_either_bucket_are_found_where_copies_differ_in_it():
    def row(bucket, class_name):
        return Predicted(bucket=bucket, key="x/1.png", image="1.png", class_name=class_name, confidence=0.5)

    with open_pair() as pair:
        pair.fill("a", [row("may", "Coat")])
        pair.fill("b", [row("june", "Bag")])
        trials = [pair.judge(Labels.of([Label(f"{bucket}/x/1.png", "1.png", "Coat")])) for bucket in ("may", "june", "july")]

    assert trials == [Trial(0, 1, 0, 0), Trial(0, 1, 0, 0), Trial(0, 0, 0, 0)]


@pytest.mark.parametrize(
    ("trial", "expected"),
    [
        (Trial(5, 2, 1, 0), "may be noise"),
        (Trial(5, 20, 1, 0), "is more than noise"),
        (Trial(5, 5000, 0, 0), "a probability of less than 1e-06 (McNemar"),
        (Trial(5, 3, 3, 1), "no difference"),
    ],
)
def test_the_verdict_is_said_in_words(trial, expected):
    assert expected in describe(trial)


@given(st.dictionaries(st.integers(0, 40), st.tuples(GIVEN, GIVEN)))
def test_a_comparison_counts_what_a_loop_over_both_sets_counts(images):
    """Each image has a confidence and a mark in each set, or is in that set not at all."""
    with open_pair() as pair:
        for place, name in enumerate("ab"):
            rows = [(key, both[place]) for key, both in images.items() if both[place]]
            pair.fill(name, [marked(key, *given_) for key, given_ in reversed(rows)])
        result = pair.compare()

    both = [given_ for given_ in images.values() if all(given_)]
    changes = sorted(b[0] - a[0] for a, b in both)
    assert (result.both, result.only_first, result.only_second) == (
        len(both),
        sum(1 for a, b in images.values() if a and not b),
        sum(1 for a, b in images.values() if b and not a),
    )
    assert (result.unsure.gained, result.unsure.lost) == (
        sum(1 for a, b in both if b[1] and not a[1]),
        sum(1 for a, b in both if a[1] and not b[1]),
    )
    assert list(result.tenths) == [part[-1] for part in np.array_split(changes, 10) if len(part)]


def test_a_page_shows_the_changed_images_alone(labelled, documents, changed, tmp_path):
    done = run("compare", documents, changed, "--page", tmp_path / "page.html", "--images", labelled)

    page = (tmp_path / "page.html").read_text()
    assert done.returncode == 0
    assert page.count("was Trouser, is Dress") == 10
    assert page.count("data:image/") == 10
    assert "ankle-boot" not in page


@pytest.fixture
def trial(documents, changed):
    """The place of the rows that a backlog with another model wrote, beside the documents: those of `changed`."""
    store = MemoryStore()
    backlogs.plan(store, "trial", "2026-11-01T00:00:00Z")
    lines = [one.content for one in read_documents(changed, store=None)]
    rows = sorted(((json.loads(line)["input"]["key"], line) for line in lines), key=lambda row: f"{row[0]}.json")
    for number, start in enumerate(range(0, len(rows), 7), 1):
        backlogs.shard(store, "trial", number, rows[start : start + 7], maker=backlogs.OTHER)
    backlogs.copy(store, documents)
    return documents / "_coatcheck" / "shards" / backlogs.OTHER[:16]


def test_a_backlog_of_another_model_is_compared_with_the_documents_beside_its_rows(
    labelled, documents, changed, trial, tmp_path
):
    for place in (trial, trial / "trial"):
        assert answer("compare", documents, place, "--labels", labelled) == answer(
            "compare", documents, changed, "--labels", labelled
        )
    done = run("compare", documents, trial, "--page", tmp_path / "page.html", "--images", labelled)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("29 images in both, 1 in A alone, 1 in B alone\nchanged: 34.5% (19.9% to 52.7%, 10 of 29)")
    assert (tmp_path / "page.html").read_text().count("was Trouser, is Dress") == 10


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("{documents}", "nothing"), 2, "Expected a folder of documents"),
        (("{documents}",), 2, "Missing argument 'B'"),
        (("{documents}", "{labelled}"), 1, "Expected images that are in both sets"),
        (("{documents}", "{documents}", "--map", "pants=Trouser"), 2, "Expected --labels, whose words --map explains"),
        (("{documents}", "{documents}", "--labels", "{labelled}", "--map", "pants=Pants"), 2, "Expected one of the classes"),
        (("{documents}", "pyproject.toml"), 2, "Expected a folder of documents"),
    ],
)
def test_what_cannot_be_compared_is_told_in_one_line(labelled, documents, arguments, status, told):
    done = run("compare", *(argument.format(labelled=labelled, documents=documents) for argument in arguments))

    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (status, "", 1)
    assert told in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n",
        "bucket,key,image,class_name\nb,k,i," + "C" * 200_000,
        'bucket,key,image\n"b,k,i\nb,k,i\n',
        "bucket,key,image,class_name,confidence\nb,k,i,Coat,1000\n",
    ],
)
def test_a_table_of_something_else_is_refused(documents, tmp_path, text):
    (tmp_path / "x.csv").write_text(text)

    done = run("compare", documents, tmp_path / "x.csv")

    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "Expected a table that `coatcheck table` wrote" in done.stderr


def test_rejected_images_change_too():
    def row(name, class_name):
        return Predicted(bucket="b", key=name, image=name, class_name=class_name, confidence=0.5 if class_name else None)

    with open_pair() as pair:
        pair.fill("a", [row("1", "Coat"), row("2", None), row("3", None), row("4", "Coat")])
        repeated = pair.fill("b", [row("1", None), row("2", "Bag"), row("3", None), row("4", "Coat"), row("4", "Bag")])
        result = pair.compare()

    assert (result.both, result.changed, result.predicted, repeated) == (4, 2, 1, 1)
    assert {(change.before, change.after) for change in result.changes} == {("Coat", None), (None, "Bag")}


def test_a_class_of_a_hostile_document_cannot_command_the_terminal(documents, tmp_path):
    hostile = tmp_path / "hostile"
    rewrite(documents, hostile, lambda document: document["predictions"][0].update(class_name="\x1b[2J"))

    done = run("compare", documents, hostile)

    assert (done.returncode, "\x1b" in done.stdout) == (0, False)
    assert r"\x1b[2J" in done.stdout
