"""What a user may name, and which object each file then is."""

import os

import pytest

from handler.objects import ObjectRef, Prefix
from infra.score.sources import LocalFile, LocalFolder, RemoteObject, WrongSource, parse_line, parse_source


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Files in a folder of the current one, and in another place."""
    for path in ("home/photos/rack/coat.png", "home/photos/shoe.png", "elsewhere/photos/bag.png"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"x")
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home" / "photos"


def test_a_folder_is_named_however_it_is_written(photos):
    expected = LocalFolder(photos)

    for text in ("photos", "./photos/", "photos/../photos", str(photos), f"{photos}/"):
        assert parse_source(text) == expected


def test_a_folder_behind_a_link_is_the_folder_itself(photos):
    (photos.parent / "link").symlink_to(photos)

    assert parse_source("link") == LocalFolder(photos)


def test_the_home_folder_may_be_abbreviated(photos, monkeypatch):
    monkeypatch.setenv("HOME", str(photos.parent))

    assert parse_source("~/photos") == LocalFolder(photos)
    assert parse_source("~/photos/shoe.png") == LocalFile(photos, "shoe.png")


@pytest.mark.parametrize("text", ["photos/rack/coat.png", "{photos}/rack/coat.png"])
def test_a_file_that_is_named_itself_belongs_to_its_own_folder(photos, text):
    assert parse_source(text.format(photos=photos)) == LocalFile(photos / "rack", "coat.png")


def test_a_file_of_a_list_belongs_to_the_current_folder_if_it_lies_there(photos):
    home = photos.parent

    assert parse_line("photos/rack/coat.png", home) == LocalFile(home, "photos/rack/coat.png")
    assert parse_line(f"{photos}/shoe.png", home) == LocalFile(home, "photos/shoe.png")
    other = home.parent / "elsewhere" / "photos"
    assert parse_line("../elsewhere/photos/bag.png", home) == LocalFile(other, "bag.png")


def test_a_dot_between_slashes_says_which_folder_is_meant(photos):
    home = photos.parent
    expected = LocalFile(photos, "rack/coat.png")

    for text in ("photos/./rack/coat.png", f"{photos}/./rack/coat.png", "../home/photos/./rack/coat.png"):
        assert parse_source(text) == expected
        assert parse_line(text, home) == expected
    assert parse_source("./photos/shoe.png") == LocalFile(home, "photos/shoe.png")


def test_the_text_of_a_file_names_the_same_file_again_from_anywhere(photos, monkeypatch):
    found = [
        LocalFile(photos, "rack/coat.png"),
        LocalFile(photos.parent, "photos/shoe.png"),
        RemoteObject(ObjectRef("abc", "a b")),
    ]
    folder = RemoteObject(ObjectRef("abc", "uploads/new/"))  # as the S3 console makes them
    monkeypatch.chdir("/")

    assert parse_line(str(folder), photos) == folder
    assert [parse_line(str(one), photos) for one in found] == found
    assert [parse_source(str(one)) for one in found] == found


def test_a_file_behind_a_link_is_the_file_itself(photos):
    (photos / "link.png").symlink_to(photos / "rack" / "coat.png")

    assert parse_source("photos/link.png") == LocalFile(photos / "rack", "coat.png")


def test_addresses_name_objects_and_prefixes_as_they_are():
    assert parse_source("s3://bucket/a+b%20c/d.png") == RemoteObject(ObjectRef("bucket", "a+b%20c/d.png"))
    assert parse_source("s3://bucket/rack/") == Prefix("bucket", "rack/")
    assert parse_source("s3://bucket") == parse_source("s3://bucket/") == Prefix("bucket", "")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nothing.png", "which is not there"),
        ("", "which is not there"),
        ("~nobody-of-this-name/a.png", "which is not there"),
        ("a" * 300, "which is not there"),
        ("a\0b", "which is not there"),
        ("s3://", "s3://bucket/key"),
        ("s3://B/a.png", "s3://bucket/key"),
        ("/", "a folder with a name"),
        ("photos/./rack/../../secret.png", "leads out of it"),
    ],
)
def test_what_cannot_be_scored_is_refused_with_what_could(photos, text, told):
    (photos.parent / "secret.png").write_bytes(b"x")

    with pytest.raises(WrongSource, match=told):
        parse_source(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("photos", "a folder"),
        ("s3://bucket/", "a prefix"),
        ("s3://bucket", "a prefix"),
        ("gone.png", "not there"),
        ("a" * 300, "not there"),
    ],
)
def test_a_line_names_one_object(photos, text, told):
    with pytest.raises(WrongSource, match=told):
        parse_line(text, photos.parent)


def test_a_name_that_is_no_utf8_is_refused(photos):
    path = photos / os.fsdecode(b"\xff.png")
    path.write_bytes(b"x")

    with pytest.raises(WrongSource, match=r"UTF-8.*rename it"):
        parse_source(str(path))
