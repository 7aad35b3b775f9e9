"""S3 on the embedded cloud: objects there, and documents there, beside local ones."""

import json
import shutil

import pytest

from tests.infra.score.conftest import IMAGES


@pytest.fixture
def remote(cloud, score):
    """The cloud with ten uploads, which `score` reaches by its environment."""
    for path in sorted(IMAGES.glob("*-0.png")):
        cloud.s3.upload_file(str(path), cloud.input_bucket, f"uploads/a b/{path.name}")
    score.environment |= {name: value for name, value in cloud.environment.items() if name.startswith("AWS_")}
    return cloud


def keys(cloud, bucket):
    return [row["Key"] for row in cloud.s3.list_objects_v2(Bucket=bucket).get("Contents", []) if "_coatcheck" not in row["Key"]]


def test_a_prefix_is_scored_into_a_folder_with_the_documents_of_the_function(remote, score):
    summary = score.summary(f"s3://{remote.input_bucket}/uploads/")

    documents = score.documents()
    assert sorted(documents) == [f"{key}.json" for key in keys(remote, remote.input_bucket)]
    assert (summary["classified"], summary["objects"]["scored"]) == (10, 10)
    document = json.loads(documents["uploads/a b/coat-0.png.json"])
    assert (document["input"]["bucket"], document["input"]["key"]) == (remote.input_bucket, "uploads/a b/coat-0.png")


def test_documents_of_the_function_are_passed_over(remote, score, monkeypatch):
    from handler.app import lambda_handler
    from infra.cloud.event_source import EventSource

    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    EventSource(remote, lambda_handler, remote.batch_messages).drain()

    summary = score.summary(f"s3://{remote.input_bucket}/uploads/", "--out", f"s3://{remote.output_bucket}/predictions/")

    assert (summary["classified"], summary["objects"]["duplicate"], summary["images"]) == (0, 10, 10)


def test_local_files_are_scored_into_a_bucket_and_again_only_if_they_changed(remote, score, photos):
    out = f"s3://{remote.output_bucket}/local/"

    first = score.summary(photos, "--out", out)
    shutil.copy(IMAGES / "bag-1.png", photos / "rack" / "bag-0.png")
    second = score.summary(photos, "--out", out)

    assert (first["classified"], second["classified"]) == (10, 1)
    expected = sorted(f"local/{path.relative_to(photos)}.json" for path in photos.rglob("*.png"))
    assert keys(remote, remote.output_bucket) == expected


@pytest.mark.parametrize("name", ["Hüte", " photos"])
def test_a_folder_of_any_name_is_scored_into_a_bucket(remote, score, photos, name):
    folder = photos.rename(photos.parent / name)
    out = f"s3://{remote.output_bucket}/local/"

    first, second = (score.summary(folder, "--out", out)["objects"] for _ in range(2))

    assert (first["scored"], second["duplicate"]) == (10, 10)
    key = "local/" + next(path for path in folder.rglob("*.png")).relative_to(folder).as_posix() + ".json"
    assert json.loads(remote.s3.get_object(Bucket=remote.output_bucket, Key=key)["Body"].read())["input"]["bucket"] == name


def test_objects_of_a_list_are_scored_and_what_is_gone_is_counted(remote, score):
    lines = f"s3://{remote.input_bucket}/uploads/a b/coat-0.png\ns3://{remote.input_bucket}/nothing\n"

    summary = score.summary("-", stdin=lines)

    assert (summary["objects"]["scored"], summary["objects"]["gone"]) == (1, 1)


def test_a_folder_of_the_s3_console_that_was_rejected_is_a_line_for_the_next_run(remote, score, tmp_path):
    failed = tmp_path / "failed.txt"
    remote.s3.put_object(Bucket=remote.input_bucket, Key="uploads/new/", Body=b"")

    first = score.summary(f"s3://{remote.input_bucket}/uploads/new/", "--failed", failed)
    second = score.summary("-", "--failed", failed, stdin=failed.read_text())

    assert failed.read_text() == f"s3://{remote.input_bucket}/uploads/new/\n"
    assert (first["objects"]["rejected"], second["objects"]["duplicate"], second["objects"]["failed"]) == (1, 1, 0)
    assert second["rejected"][0]["error"] == "EmptyObject"


def test_a_line_that_names_a_prefix_fails_alone(remote, score):
    lines = f"s3://{remote.input_bucket}/uploads/\ns3://{remote.input_bucket}/uploads/a b/coat-0.png\n"

    done = score("-", "--json", stdin=lines)

    summary = json.loads(done.stdout)
    assert (done.returncode, summary["objects"]["scored"], summary["objects"]["failed"]) == (1, 1, 1)
    assert "a prefix; name it as a source of its own" in summary["failed"][0]["example"]


def test_an_object_that_is_not_there_is_wrong_use(remote, score):
    done = score(f"s3://{remote.input_bucket}/uploads")

    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "end a prefix with a slash" in done.stderr


def test_documents_under_the_prefix_are_no_input(remote, score):
    out = f"s3://{remote.input_bucket}/uploads/predictions/"

    first = score.summary(f"s3://{remote.input_bucket}/uploads/", "--out", out)
    second = score.summary(f"s3://{remote.input_bucket}/uploads/", "--out", out)

    assert (first["objects"]["scored"], second["objects"]["duplicate"], second["objects"]["scored"]) == (10, 10, 0)


def test_documents_that_a_list_names_are_no_input(remote, score):
    out = f"s3://{remote.input_bucket}/uploads/predictions/"

    for documents in (0, 10, 10):
        lines = [f"s3://{remote.input_bucket}/{key}" for key in keys(remote, remote.input_bucket)]
        summary = score.summary("-", "--out", out, stdin="\n".join(lines))

        assert (sum(summary["objects"].values()), summary["in_output"]) == (10, documents)


@pytest.mark.parametrize(("source", "status"), [("{folder}", 2), ("{folder}/./rack/bag-0.png", 2), ("-", 1)])
def test_a_folder_that_has_the_name_of_the_output_s_bucket_is_left_as_it_is(remote, score, photos, tmp_path, source, status):
    folder = photos.rename(photos.parent / remote.output_bucket)
    before = sorted(folder.rglob("*"))

    lines = f"{folder}/./rack/bag-0.png\n"
    done = score(source.format(folder=folder), "--out", f"s3://{folder.name}/predictions/", stdin=lines, cwd=tmp_path)

    assert done.returncode == status
    assert "different names" in done.stderr + done.stdout
    assert sorted(folder.rglob("*")) == before
    assert keys(remote, remote.output_bucket) == []


@pytest.mark.parametrize("is_first", [True, False])
def test_a_folder_and_a_bucket_of_one_name_are_not_taken_for_each_other(remote, score, photos, is_first):
    folder = photos.rename(photos.parent / remote.input_bucket)
    sources = [folder, f"s3://{folder.name}/uploads/"]

    done = score(*(sources if is_first else reversed(sources)))

    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert f"Received: {folder} and s3://{folder.name}; rename the folder" in done.stderr
    assert score.documents() == {}


def test_a_line_whose_bucket_has_a_folder_s_name_fails_alone(remote, score, photos):
    folder = photos.rename(photos.parent / remote.input_bucket)

    done = score(folder, "-", "--json", stdin=f"s3://{folder.name}/uploads/a b/coat-0.png\n")

    summary = json.loads(done.stdout)
    assert (done.returncode, summary["objects"]["scored"], summary["objects"]["failed"]) == (1, 10, 1)
    assert "Expected a folder and a bucket of different names" in summary["failed"][0]["example"]
    assert len(score.documents()) == 10


def test_a_bucket_that_is_not_there_is_an_error_in_one_line(remote, score):
    done = score("s3://no-such-bucket-here/uploads/")

    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert "no-such-bucket-here" in done.stderr


def test_an_artifact_is_read_from_a_bucket(remote, score, photos):
    for name in ("manifest.json", "model.tflite"):
        remote.s3.upload_file(f"handler/artifact/{name}", remote.output_bucket, f"models/{name}")

    summary = score.summary(photos, "--artifact", f"s3://{remote.output_bucket}/models/")

    assert summary["images"] == 10
