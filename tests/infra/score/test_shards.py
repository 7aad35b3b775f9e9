"""`coatcheck score --shard`: parts that are disjoint, of about the same size, the same everywhere, and together everything."""

import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.objects import ObjectRef
from infra.errors import WrongUse
from infra.score.shards import MAX_SHARDS, WHOLE, Shard, parse_shard


@given(st.integers(1, 50), st.text(min_size=1), st.text(min_size=1))
def test_each_object_belongs_to_exactly_one_part(count, bucket, key):
    parts = [number for number in range(1, count + 1) if Shard(number, count).holds(ObjectRef(bucket, key))]

    assert len(parts) == 1


def test_parts_are_of_about_the_same_size():
    refs = [ObjectRef("photos", f"{number}.png") for number in range(16_000)]

    sizes = [sum(Shard(number, 16).holds(ref) for ref in refs) for number in range(1, 17)]

    assert sum(sizes) == 16_000
    assert 850 < min(sizes) <= max(sizes) < 1150


def test_an_object_s_part_stays_in_every_later_version():
    """Runs of two versions would otherwise leave objects out."""
    assert [Shard(number, 3).holds(ObjectRef("photos", "rack/bag-0.png")) for number in (1, 2, 3)] == [False, False, True]


def test_one_part_is_everything():
    assert WHOLE.holds(ObjectRef("photos", "a.png"))
    assert parse_shard("1/1") == WHOLE


@pytest.mark.parametrize(
    "text", ["", "3", "0/16", "17/16", "1/0", "-1/2", "1/2/3", "a/b", " 1/2", "1/²", f"1/{MAX_SHARDS + 1}"]
)
def test_a_part_that_is_none_is_refused(text):
    with pytest.raises(WrongUse, match="Expected a part and the number of parts, such as 3/16"):
        parse_shard(text)


def test_parts_that_run_one_after_the_other_score_everything_once(score, photos):
    (photos / "link.png").symlink_to(photos / "rack" / "bag-0.png")

    summaries = [score.summary(photos, "--shard", f"{number}/3") for number in (1, 2, 3)]

    assert sum(summary["classified"] for summary in summaries) == 10
    assert sum(summary["objects"]["scored"] for summary in summaries) == 10
    documents = score.documents()
    assert sorted(documents) == sorted(f"{path.relative_to(photos)}.json" for path in photos.rglob("*-*.png"))
    shutil.rmtree(score.out)
    score.summary(photos)
    assert score.documents() == documents


def test_a_wrong_part_is_wrong_use(score, photos):
    done = score(photos, "--shard", "4/3")

    assert (done.returncode, done.stdout) == (2, "")
    assert "Received: '4/3'" in done.stderr
