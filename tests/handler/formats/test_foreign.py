"""What is not read is called by its name, with what to do about it."""

import gzip
import pickle
import struct

import numpy as np
import PIL.Image
import pytest

from handler.errors import UnrecognisedFormat
from handler.formats import FORMATS
from handler.formats.foreign import advise, describe, is_archive
from tests.handler.formats.samples import decoded, saved, tarred, zipped

GREY = PIL.Image.fromarray(np.zeros((4, 4), np.uint8))
KINDS = {
    "an icon (.ico)": [saved(GREY, "ICO")],
    "a Netpbm image (.pbm, .pgm, .ppm)": [saved(GREY, "PPM"), b"P6\n# by hand\n"],
    "a JPEG 2000 image": [b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"],
    "a JPEG XL image": [b"\xff\x0a\x01", b"\0\0\0\x0cJXL \r\n\x87\n"],
    "a Photoshop file": [b"8BPS\0\1"],
    "a camera's raw file": [b"II*\0\x10\0\0\0CR\2\0", b"IIU\0", b"IIRO", b"FUJIFILMCCD-RAW 0201"],
    "a Canon camera's raw file": [b"\0\0\0\x18ftypcrx \0\0\0\1"],
    "an MP4 video": [b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", b"\0\0\0\x18ftypmp42\0\0\0\0"],
    "a QuickTime video (.mov)": [b"\0\0\0\x14ftypqt  \0\0\2\0", b"\0\0\0\x08wide\0\0\0\0mdat"],
    "a video": [b"RIFF\1\0\0\0AVI LIST", b"\x1aE\xdf\xa3"],
    "a sound": [b"RIFF\1\0\0\0WAVE", b"ID3\3"],
    "a DICOM file": [bytes(128) + b"DICM"],
    "a 7-Zip archive": [b"7z\xbc\xaf\x27\x1c\0\4"],
    "a RAR archive": [b"Rar!\x1a\x07\x00", b"Rar!\x1a\x07\x01\x00"],
    "a Zstandard stream (.zst)": [b"\x28\xb5\x2f\xfd\4"],
    "one part of a zip archive that was split": [b"PK\x07\x08PK\x03\x04"],
    "an HDF5 file (.h5)": [b"\x89HDF\r\n\x1a\n"],
    "a Parquet file": [b"PAR1\x15\0"],
    "a table (Arrow, Feather, ORC or Avro)": [b"ARROW1\0\0", b"ORC", b"Obj\1"],
    "a safetensors file": [struct.pack("<Q", 9) + b'{"a":{}}'],
    "pickled Python objects, which are never unpickled here": [
        pickle.dumps([1], 2),
        pickle.dumps({"a": 1}, 4),
        pickle.dumps([1], 5),
    ],
    "a MATLAB file": [b"MATLAB 5.0 MAT-file, Platform: GLNXA64"],
    "a model (GGUF)": [b"GGUF\3\0\0\0"],
    "a LiteRT model": [b"\x1c\0\0\0TFL3"],
    "an SQLite database": [b"SQLite format 3\0\x10"],
    "a program": [b"\x7fELF\2\1\1", b"MZ" + bytes(99), b"\xcf\xfa\xed\xfe", b"#!/bin/sh\n"],
    "a PDF document": [b"%PDF-1.7\n", b"\xef\xbb\xbf%PDF-1.4"],
    "an old Office document, or Windows' Thumbs.db": [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"],
    "a file of attributes that macOS adds (._name)": [b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X"],
    "text in UTF-16": ["bucket,key".encode("utf-16")],
    "a Git LFS pointer in place of the file": [b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n"],
    "a data URL": [b"data:image/png;base64,iVBORw0KGgo"],
    "a file in Base64": [b"iVBORw0KGgoAAAANSUhEUg", b"/9j/4AAQSkZJRg"],
    "a web form (multipart/form-data)": [b'--x0y\r\nContent-Disposition: form-data; name="f"\r\n\r\n'],
    "a body in chunks of signed uploads (aws-chunked)": [b"1f4;chunk-signature=ab12\r\n\x89PNG"],
    "an SVG drawing": [b"<svg xmlns='http://www.w3.org/2000/svg'>", b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a -->\n<svg>"],
    "an HTML page": [b"<!DOCTYPE html>", b"\n <html>404</html>", b"<?xml version='1.0'?><html>"],
    "XML": [b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>"],
    "JSON that is no list of objects": [b'{"a": 1}', b"[1, 2]", b"{}", b'[\n  {"a": 1}\n]'],
    "text that begins with b'Dear all'": [b"Dear all, hello"],
    "nothing but zeros at the beginning": [bytes(1), bytes(5000)],
    "content of no known format, which begins with b'\\x01\\x02\\x03'": [b"\1\2\3"],
}

READ = {  # kinds that are read, and named where they stand in the wrong place
    "a TIFF image or a camera's raw file": [b"II*\0" + bytes(9), b"MM\0*", b"II+\0\x08\0\0\0", saved(GREY, "TIFF")],
    "a GIF image": [b"GIF87a", saved(GREY, "GIF")],
    "a BMP image": [saved(GREY, "BMP")],
    "HEIC, an iPhone's own format": [
        b"\0\0\0\x24ftypheic\0\0\0\0mif1heic",
        b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic",
        b"\0\0\0\x18ftypheix\0\0\0\0",
        b"\0\0\0\x18ftyphevc\0\0\0\0",
    ],
    "an AVIF image": [b"\0\0\0\x18ftypavif\0\0\0\0mif1", b"\0\0\0\x18ftypmif1\0\0\0\0avif"],
}


@pytest.mark.parametrize(("name", "content"), [(name, content) for name, contents in KINDS.items() for content in contents])
def test_what_is_not_read_is_called_by_its_name(name, content, fashion_target):
    with pytest.raises(UnrecognisedFormat) as caught:
        decoded(content, fashion_target)
    assert str(caught.value).endswith(f" Received: {name}; {advise(content)}.")
    assert len(advise(content)) > 10


@pytest.mark.parametrize(("name", "content"), [(name, content) for name, contents in READ.items() for content in contents])
def test_what_is_read_has_a_name_too(name, content):
    assert any(known.recognises(content) for known in FORMATS)
    assert describe(content) == name


def test_a_tfrecord_is_told_by_the_checksum_of_its_first_length():
    """The first twelve bytes of a file that TensorFlow wrote, of one record of three bytes."""
    content = bytes.fromhex("0300000000000000b099490e") + b"abc\0\0\0\0"

    assert describe(content) == "a TFRecord file"
    assert describe(content[:8] + b"\1" + content[9:]) != "a TFRecord file"


@pytest.mark.parametrize(
    ("content", "is_one"),
    [
        (zipped({}), True),
        (tarred({"a": b""}), True),
        (gzip.compress(b""), True),
        (b"7z\xbc\xaf\x27\x1c", True),
        (saved(GREY, "PNG"), False),
        (b"%PDF-1.7", False),
        (b"", False),
    ],
    ids=range(7),
)
def test_archives_and_packed_files_are_told_from_others(content, is_one):
    assert is_archive(content) is is_one


@pytest.mark.parametrize("content", [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"\x93NUMPY\1\0", b"\0\0\x08\x03"])
def test_what_is_read_has_a_name_too_for_where_it_stands_behind_something_else(content):
    assert describe(content).startswith(("a ", "an "))


def test_any_beginning_is_judged_within_a_bounded_time():
    for byte in range(256):
        describe(bytes([byte]) * 5000)
        describe(b"<?xml" + bytes([byte]) * 5000)
