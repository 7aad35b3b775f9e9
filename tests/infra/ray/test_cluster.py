"""The command over a cluster of two workers on this machine, in the environment of Ray; `make ray` runs this."""

import re
import subprocess

import boto3
import duckdb
import pyarrow.dataset as ds
import pytest

from infra.show.parquet import SCHEMA
from tests.infra.ray.conftest import ROOT, rows_of

PAGE = (ROOT / "docs" / "ray.md").read_text()
PYTHON = ROOT / ".venv-ray" / "bin" / "python"

pytestmark = pytest.mark.ray


@pytest.fixture
def run(tmp_path):
    """Runs the command, with a home of its own, since Ray keeps a token there."""

    def run(*arguments, **environment):
        return subprocess.run(
            [PYTHON, "-m", "infra.ray", *arguments],
            cwd=ROOT,
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)} | environment,
            check=False,
            capture_output=True,
            text=True,
        )

    return run


def test_the_page_s_own_commands_write_the_rows_that_coatcheck_score_writes_on_two_workers(photos, scored, tmp_path):
    command = re.search(r"^    (\.venv-ray/.* --workers 2)$", PAGE, re.MULTILINE)[1]
    query = re.search(r"^```sql\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[1]
    (tmp_path / ".venv-ray").symlink_to(ROOT / ".venv-ray")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}

    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "126 rows written, of which 6 are rejected: predictions"
    table = ds.dataset(tmp_path / "predictions").to_table()
    assert table.schema == SCHEMA
    assert rows_of(table) == rows_of(scored)
    answer = duckdb.sql(query.replace("predictions/", f"{tmp_path}/predictions/")).fetchall()
    assert sum(images for _, images, _ in answer) == 120
    assert len(answer) == 10


@pytest.fixture
def s3(moto_server, environment):
    """A client of moto's server, without the recorder of calls, which would lose Arrow's bodies, since these tell no length."""
    return boto3.client("s3", endpoint_url=moto_server)


def test_rows_go_from_bucket_to_bucket(run, photos, scored, s3, moto_server, tmp_path):
    s3.create_bucket(Bucket="photos")
    for path in photos.rglob("*.*"):
        s3.put_object(Bucket="photos", Key=str(path.relative_to(photos)), Body=path.read_bytes())
    s3.create_bucket(Bucket="rows")
    access = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "us-east-1"}

    done = run("s3://photos/", "--out", "s3://rows/first/", "--workers", "2", AWS_ENDPOINT_URL=moto_server, **access)

    assert done.returncode == 0, done.stderr
    for found in s3.list_objects_v2(Bucket="rows")["Contents"]:
        s3.download_file("rows", found["Key"], str(tmp_path / re.sub("/", "-", found["Key"])))
    table = ds.dataset(list(tmp_path.glob("first-*.parquet"))).to_table()
    assert rows_of(table) == rows_of(scored)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["photos", "--out", "rows"], "Expected a new folder for --out."),
        (["nothing", "--out", "new"], "Expected a folder with a name"),
        (["rows", "--out", "new"], "Expected a folder with files in it."),
        (["photos", "--out", "new", "--artifact", "nothing"], "Expected the artifact of a model"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_a_cluster_starts(run, photos, tmp_path, arguments, expected):
    (tmp_path / "rows").mkdir()

    source, flag, out, *more = arguments
    done = run(tmp_path / source, flag, tmp_path / out, *more)

    assert (done.returncode, done.stderr[: len("error: ") + len(expected)]) == (2, f"error: {expected}")
    assert "Started a local Ray instance" not in done.stderr
