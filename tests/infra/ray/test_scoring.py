"""The class for `map_batches`, called as Ray calls it, without Ray."""

import subprocess
import sys

import pyarrow as pa
import pytest

from handler.model import BUNDLED_ARTIFACT
from infra.locations import read_limits
from infra.ray.scoring import ObjectScorer
from infra.show.parquet import SCHEMA
from tests.infra.ray.conftest import IMAGES, ROOT, rows_of


@pytest.fixture
def score(environment):
    """Scores the contents of objects by their paths, in one batch; returns the table of their rows."""

    def score(contents, above=""):
        batch = pa.table({"path": list(contents), "bytes": pa.array(list(contents.values()), pa.large_binary())})
        return pa.concat_tables(ObjectScorer(BUNDLED_ARTIFACT, read_limits(), above)(batch))

    return score


def test_the_rows_of_objects_of_every_format_are_those_that_coatcheck_score_writes(score, photos, scored):
    files = sorted(path for path in photos.rglob("*") if path.is_file())

    table = score({str(path): path.read_bytes() for path in files}, f"{photos.parent}/")

    assert table.schema == scored.schema == SCHEMA
    assert rows_of(table) == rows_of(scored)
    assert (table.num_rows, len(table.filter(pa.compute.field("error").is_valid()))) == (126, 6)
    assert list(dict.fromkeys(table["key"].to_pylist())) == [str(path.relative_to(photos)) for path in files]


def test_paths_begin_with_the_bucket_where_nothing_is_above_it(score):
    table = score({"bucket/uploads/coat.png": (IMAGES / "coat-0.png").read_bytes()})

    row = table.to_pylist()[0]
    assert (row["bucket"], row["key"], row["class_name"]) == ("bucket", "uploads/coat.png", "Coat")


def test_an_object_that_the_function_would_not_accept_is_a_row_that_says_why(score):
    long = "bucket/" + "k" * 1024
    contents = dict.fromkeys((long, "bucket/_coatcheck/coat.png", "bucket/coat.png"), (IMAGES / "coat-0.png").read_bytes())

    rows = score(contents).to_pylist()

    assert [row["error"] for row in rows] == ["UnacceptedObject", "UnacceptedObject", None]
    assert [row["class_name"] for row in rows] == [None, None, "Coat"]
    assert rows[0]["key"] == "k" * 1024
    assert len({row["etag"] for row in rows}) == 1


def test_the_class_needs_no_ray():
    program = "import sys; sys.modules['ray'] = None; import infra.ray.scoring"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False, capture_output=True)

    assert done.returncode == 0, done.stderr
