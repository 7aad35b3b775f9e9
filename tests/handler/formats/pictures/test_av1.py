"""AV1: the sizes that a sequence header states, whatever it states before them, and however the data are cut into units."""

import itertools

import pytest

from handler.errors import UnreadableImage
from handler.formats.pictures.av1 import stated_sizes

DELIMITER = b"\x12\0"
WIDTH, HEIGHT = 0b1011_0110_1101, 0b1_1010_0111


def bits(*numbers):
    """The numbers, each with its count of bits, as text of zeros and ones."""
    return "".join(f"{number:0{count}b}"[-count:] if count else "" for number, count in numbers)


def packed(text):
    return int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")


def sizes(width=WIDTH, height=HEIGHT):
    return bits((11, 4), (8, 4), (width - 1, 12), (height - 1, 9))


def unit(data, *, kind=1, extension=b"", has_length=True, reserved=0):
    head = bytes([kind << 3 | bool(extension) << 2 | has_length << 1 | reserved])
    return head + extension + (bytes([len(data)]) if has_length else b"") + data


FULL = "0" * 5  # profile, no still picture, no reduced header
PLAIN = FULL + "0" + "0" + bits((0, 5), (0, 12), (0, 5)) + sizes()
REDUCED = "00011" + "11111" + sizes()


def interval(zeros):
    """The length of equal intervals, in as many bits as zeros come before it, or none after 32 of them."""
    return "0" * 32 if zeros == 32 else "0" * zeros + "1" + "1" * zeros


@pytest.mark.parametrize("fill", "01")
@pytest.mark.parametrize("points", [1, 2, 32])
@pytest.mark.parametrize("level", [0, 7, 8, 31])
def test_the_size_is_found_behind_every_choice_that_a_header_has(fill, points, level):
    """A decoder allocates the size that it finds, so one that lies elsewhere would pass the limit."""
    for zeros, delay_bits, delays in itertools.product([None, -1, 0, 1, 31, 32], [0, 1, 32], ["", "0", "1"]):
        timing = "0"
        has_model = delay_bits and zeros is not None
        if zeros is not None:
            timing = "1" + fill * 64 + ("0" if zeros < 0 else "1" + interval(zeros))
            timing += "1" + bits((delay_bits - 1, 5)) + fill * 42 if has_model else "0"
        point = fill * 12 + bits((level, 5)) + (fill if level > 7 else "")
        if has_model:
            point += "1" + fill * (2 * delay_bits + 1) if fill == "1" else "0"
        if delays:
            point += delays + (fill * 4 if delays == "1" else "")
        header = FULL + timing + ("1" if delays else "0") + bits((points - 1, 5)) + point * points + sizes()

        assert list(stated_sizes([unit(packed(header), has_length=False)])) == [(WIDTH, HEIGHT, 2**21)]


def test_a_frame_of_a_reduced_header_has_its_size_and_one_of_a_full_header_may_have_any_of_as_many_bits():
    assert list(stated_sizes([unit(packed(REDUCED)), unit(packed(PLAIN))])) == [
        (WIDTH, HEIGHT, WIDTH * HEIGHT),
        (WIDTH, HEIGHT, 2**21),
    ]


@pytest.mark.parametrize(
    "before",
    [
        b"",
        DELIMITER,
        unit(b"", kind=2, extension=b"\x0a"),
        unit(b"?" * 3, kind=5, extension=b"\xff"),
        unit(b"?" * 127, kind=15, reserved=1),
        b"\x2a\x80\x01" + b"?" * 128,
        b"\x2a\x83\x80\x80\x80\x80\x80\x80\x00" + b"?" * 3,
        b"\x2a\x83\x80\x80\x80\x80\x80\x80\x80" + b"?" * 3,
    ],
)
@pytest.mark.parametrize("form", [{}, {"has_length": False}, {"extension": b"\xff"}, {"reserved": 1, "has_length": False}])
def test_a_header_is_found_behind_units_of_every_form(before, form):
    """A length of eight bytes ends with the eighth, whatever it says."""
    assert list(stated_sizes([before + unit(packed(REDUCED), **form)])) == [(WIDTH, HEIGHT, WIDTH * HEIGHT)]


def test_a_unit_without_a_length_goes_to_the_end_of_its_data_and_no_further():
    swallowed = b"\x10" + unit(packed(REDUCED))

    assert list(stated_sizes([swallowed])) == []
    assert len(list(stated_sizes([swallowed, unit(packed(REDUCED))]))) == 1


@pytest.mark.parametrize("length", range(1, len(packed(PLAIN))))
def test_bits_behind_the_end_of_a_header_are_zeros(length):
    """Neither the bytes of the next unit, nor an error."""
    cut = unit(packed(PLAIN)[:length])
    (expected,) = stated_sizes([unit(packed(PLAIN)[:length] + bytes(20))])

    assert list(stated_sizes([cut])) == [expected]
    assert next(stated_sizes([cut + b"\xff" * 20])) == expected


@pytest.mark.parametrize("tail", [b"\x0a", b"\x0a\x80", b"\x0e"])
def test_a_unit_that_is_cut_before_its_data_states_the_least_size(tail):
    assert list(stated_sizes([tail])) == [(1, 1, 4)]


def test_ten_thousand_units_of_all_pictures_are_read_and_one_more_is_refused():
    half = DELIMITER * 5_000

    assert list(stated_sizes([half, half])) == []
    with pytest.raises(UnreadableImage, match="at most 10000 units"):
        list(stated_sizes([half, half, DELIMITER]))
