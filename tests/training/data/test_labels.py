"""Labels that people give: words for classes, CSVs, and how images are found in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.labels import Label, Labels, Vocabulary, label_paths, match_classes, read_csv, read_words
from training.errors import DataError

FASHION = Vocabulary(("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["T-shirt/top", "t-shirt-top", "T-Shirts", "tshirt", "t_shirts_tops", "tops"], "T-shirt/top"),
        (["Shirt", "shirts", "SHIRT"], "Shirt"),
        (["dress", "Dresses"], "Dress"),
        (["Ankle boot", "ankle_boots", "ANKLE-BOOT", "ankleboots"], "Ankle boot"),
        (["trousers", "Trouser "], "Trouser"),
    ],
)
def test_a_word_means_a_class_whatever_its_case_separators_and_plural(words, expected):
    assert match_classes(words, FASHION) == dict.fromkeys(words, expected)


@pytest.mark.parametrize("word", ["pants", "", "boot", "shirt-dress", "…"])
def test_a_word_that_means_no_class_is_refused_with_the_classes(word):
    with pytest.raises(DataError, match=r"Expected one of the classes T-shirt/top, Trouser.* Received: .*none of them"):
        match_classes([word], FASHION)


def test_a_word_that_may_be_two_classes_is_refused():
    shoes = Vocabulary(("red shoe", "Red-Shoe", "bag"))

    for word in ("redshoe", "red shoes"):
        with pytest.raises(DataError, match="which may be 'red shoe' or 'Red-Shoe'"):
            match_classes([word], shoes)
    assert match_classes(["Red-Shoe"], shoes) == {"Red-Shoe": "Red-Shoe"}


def test_a_word_means_what_somebody_said():
    assert match_classes(["pants"], Vocabulary(FASHION.classes, {"pants": "Trouser"})) == {"pants": "Trouser"}


@given(st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=6, unique=True), st.text(max_size=8))
def test_each_class_means_itself_and_no_word_means_two(classes, word):
    vocabulary = Vocabulary(tuple(classes))

    assert match_classes(classes, vocabulary) == {name: name for name in classes}
    try:
        found = match_classes([word], vocabulary)
    except DataError:
        return
    assert found[word] in classes


def test_a_hostile_word_costs_no_more_than_its_length():
    """The forms of a word are as many as the endings of a plural, however many parts it has."""
    with pytest.raises(DataError):
        match_classes(["s " * 50_000], FASHION)


def test_a_csv_of_the_sheet_is_read_with_its_escapes_and_what_is_none_of_the_classes():
    text = "\ufeffobject,image,class_name\r\nphotos/a.png,a.png,Coat\r\n'=b/c.zip,'=1.png,bags\r\nphotos/d.png,d.png,\r\n"

    assert read_csv(text, FASHION) == [
        Label("photos/a.png", "a.png", "Coat"),
        Label("=b/c.zip", "=1.png", "Bag"),
        Label("photos/d.png", "d.png", None),
    ]


@pytest.mark.parametrize(
    "header", ["file,label", "Path,Class", " filename , CATEGORY ", "key,class_name,confidence", "image,class"]
)
def test_columns_are_found_by_their_usual_names(header):
    assert read_csv(f"{header}\na.png,coat,1\n", FASHION) == [Label("a.png", None, "Coat")]


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "image\na.png\n", "class\ncoat\n"])
def test_a_csv_without_the_columns_is_refused_with_their_names(text):
    with pytest.raises(DataError, match=r"a column for the image \(object, path, .*\(class_name, class, label, category\)"):
        read_csv(text, FASHION)


@pytest.mark.parametrize(
    "lines", ['"a.png,coat\nb.png,coat\n', 'a.png,"coat\nb.png,coat', '"a.png"x,coat\n', "a" * 200_000 + ",coat\n"]
)
def test_a_csv_that_is_none_is_refused_before_it_loses_lines(lines):
    with pytest.raises(DataError, match=r"Expected a CSV in which every quote is closed\. Received: .*, near line \d"):
        read_csv("image,class\n" + lines, FASHION)


def test_lines_that_are_short_or_empty_lose_no_other():
    assert read_csv("image,class\na.png\n\n,coat\nb.png,coat\n", FASHION) == [
        Label("a.png", None, None),
        Label("b.png", None, "Coat"),
    ]


def test_the_words_of_a_csv_are_its_classes_where_nothing_else_says_them():
    assert read_words("image,class\na,hat\nb,bag\nc,\nd,hat\n") == ("bag", "hat")


def test_paths_are_labelled_by_their_first_folder():
    assert label_paths(["t-shirts/x/1.png", "Coat/2.png"], FASHION) == [
        Label("t-shirts/x/1.png", None, "T-shirt/top"),
        Label("Coat/2.png", None, "Coat"),
    ]
    with pytest.raises(DataError, match=r"Received: loose\.png beside them"):
        label_paths(["coat/1.png", "loose.png"], FASHION)


def found(labels, *where):
    label = Labels.of(labels).find(*where)
    return label and label.class_name


@pytest.mark.parametrize("name", ["photos/rack/a.png", "s3://photos/rack/a.png", "rack/a.png", "a.png"])
def test_a_picture_is_found_by_each_name_that_people_give_it(name):
    assert found([Label(name, None, "Coat")], "photos", "rack/a.png", "a.png") == "Coat"
    assert found([Label(name, None, "Coat")], "photos", "rack/b.png", "b.png") is None


def test_one_of_many_images_in_an_object_is_found_by_both_names_alone():
    labels = [Label("photos/all.zip", "x/a.png", "Coat"), Label("all.zip", "b.png", "Bag"), Label("a.png", None, "Shirt")]

    assert found(labels, "photos", "all.zip", "x/a.png") == "Coat"
    assert found(labels, "photos", "all.zip", "b.png") == "Bag"
    assert found(labels, "photos", "all.zip", "a.png") is None


def test_the_last_of_several_labels_of_an_image_counts():
    assert found([Label("a.png", None, "Coat"), Label("a.png", None, "Bag")], "photos", "a.png", "a.png") == "Bag"
