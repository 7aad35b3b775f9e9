"""Walks: every file once, in order, and why something is left out."""

import os

import pytest

from infra.score.walking import Unusable, walk


@pytest.fixture
def tree(tmp_path):
    for path in (
        "b.png",
        "a/2.png",
        "a/1.png",
        "a-b.png",
        ".hidden/x.png",
        ".x",
        "__MACOSX/y.png",
        "a/Thumbs.db",
        "out/1.json",
    ):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    return tmp_path


def test_every_file_comes_once_in_the_order_of_the_names_and_hidden_ones_do_not(tree):
    assert list(walk(tree)) == ["a-b.png", "a/1.png", "a/2.png", "b.png", "out/1.json"]


def test_the_folder_of_the_documents_is_left_out(tree):
    assert list(walk(tree, tree / "out")) == ["a-b.png", "a/1.png", "a/2.png", "b.png"]


def test_links_are_told_and_not_followed(tree):
    (tree / "c.png").symlink_to(tree / "b.png")
    (tree / "loop").symlink_to(tree)
    (tree / "broken").symlink_to(tree / "nowhere")

    links = [found for found in walk(tree) if isinstance(found, Unusable)]

    assert sorted(link.text for link in links) == [str(tree / name) for name in ("broken", "c.png", "loop")]
    assert all(link.is_link for link in links)


def test_a_name_that_is_no_utf8_is_a_failure_and_loses_no_other(tree):
    (tree / "a" / os.fsdecode(b"\xff.png")).write_bytes(b"x")

    failed = [found for found in walk(tree) if isinstance(found, Unusable)]

    assert [(one.is_link, "rename it" in one.reason) for one in failed] == [(False, True)]
    assert sum(isinstance(found, str) for found in walk(tree)) == 5


def test_pipes_are_passed_over(tree):
    os.mkfifo(tree / "pipe.png")

    assert "pipe.png" not in list(walk(tree))


def test_a_folder_that_is_gone_is_a_failure(tmp_path):
    (failed,) = walk(tmp_path / "gone")

    assert "No such file" in failed.reason
