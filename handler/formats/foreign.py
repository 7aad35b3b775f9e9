"""Names content that is not read, or not read where it was found, and says what to do about it. Pure.

To name another kind of content, add a row to `_KINDS`: a pattern for its first bytes, its name, and what to do.
"""

from __future__ import annotations

import re

_PICTURE = "save it as PNG, JPEG or WebP"
_RAW = "develop it, and save it as JPEG or PNG"
_VIDEO = "save single frames of it as PNG or JPEG"
_PAGES = "save its pages or pictures as PNG or JPEG"
_ARRAYS = "save the images in it with numpy.save, as uint8"
_UNPACK = "unpack it, and upload what is in it as it is, or in a zip or tar archive"
_ALONE = "upload it as an object of its own"
_DECODE = "decode it before it is uploaded"
_NONE = "upload pictures, arrays, or archives of them"
_LIST = "upload images as files, or a list of objects as JSON Lines with key or as a CSV of bucket,key"
_HEIC = "convert it to JPEG, or set the camera to Most Compatible under Settings, Camera, Formats"
_KERAS = "upload images here; `python -m training adopt` makes an artifact of a Keras model"

_FTYP = rb".{4}ftyp"
_TEXT = rb"(?i)(?:\xef\xbb\xbf)?\s*"

# Each row is a pattern for the first bytes, the name, and what to do.
_ARCHIVES: tuple[tuple[bytes, str, str], ...] = (
    (rb"PK(?:\x07\x08|00PK)", "one part of a zip archive that was split", "make one archive of it, or several whole ones"),
    (rb"PK(?:\x03\x04|\x05\x06)", "a zip archive", _ALONE),
    (rb".{257}ustar", "a tar archive", _ALONE),
    (rb"\x1f\x8b", "a gzip stream", _ALONE),
    (rb"BZh[1-9]", "a bzip2 stream", _ALONE),
    (rb"\xfd7zXZ\x00", "an xz stream", _ALONE),
    (rb"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (rb"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (rb"\x28\xb5\x2f\xfd", "a Zstandard stream (.zst)", _UNPACK),
    (rb"(?:\x04\x22\x4d\x18|\x1f\x9d|\x1f\xa0|LZIP|LZO\x00|\x89LZO|\x5d\x00\x00.{10})", "a packed file", _UNPACK),
    (rb"(?:MSCF|!<arch>|xar!|070701|070707|\*\*ACE\*\*)", "an archive in another format", _UNPACK),
)
_KINDS: tuple[tuple[bytes, str, str], ...] = (  # of several patterns that match, the first counts
    *_ARCHIVES,
    (rb"\x89PNG\r\n\x1a\n", "a PNG image", _ALONE),
    (rb"\xff\xd8\xff", "a JPEG image", _ALONE),
    (rb"RIFF.{4}WEBP", "a WebP image", _ALONE),
    (rb"\x93NUMPY", "a NumPy array", _ALONE),
    (rb"\x00\x00[\x08\x09\x0b-\x0e][\x01-\x09]", "an IDX file", _ALONE),
    # Pictures of other kinds.
    (_FTYP + rb".{0,40}avi[fs]", "an AVIF image", _ALONE),
    (_FTYP + rb".{0,40}(?:hei[cxms]|hev[cmxs]|mif1|msf1)", "HEIC, an iPhone's own format", _HEIC),
    (_FTYP + rb"crx ", "a Canon camera's raw file", _RAW),
    (rb"(?:II\*\x00.{4}CR|IIU\x00|IIR[OS]|MMOR|FUJIFILMCCD-RAW|FOVb|\x00MRM)", "a camera's raw file", _RAW),
    (rb"(?:II[*+]\x00|MM\x00[*+])", "a TIFF image or a camera's raw file", _ALONE),
    (rb"GIF8[79]a", "a GIF image", _ALONE),
    (rb"BM.{4}\x00\x00\x00\x00", "a BMP image", _ALONE),
    (rb"8BP[SB]\x00", "a Photoshop file", _PICTURE),
    (rb"\x00\x00\x01\x00[^\x00]\x00", "an icon (.ico)", _PICTURE),
    (rb"\x00\x00\x02\x00[^\x00]\x00", "a cursor (.cur)", _PICTURE),
    (rb"(?:\x00\x00\x00\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51)", "a JPEG 2000 image", _PICTURE),
    (rb"(?:\x00\x00\x00\x0cJXL \r\n\x87\n|\xff\x0a)", "a JPEG XL image", _PICTURE),
    (rb"P[1-7]\s[\s#\d]", "a Netpbm image (.pbm, .pgm, .ppm)", _PICTURE),
    (rb"(?:II\xbc\x01|qoif|DDS |FLIF|BPG\xfb|v/1\x01|#\?RADIANCE|gimp xcf|SIMPLE  =)", "a picture in a rare format", _PICTURE),
    (rb".{128}DICM", "a DICOM file", _PICTURE),
    (rb"(?:%!PS|\xc5\xd0\xd3\xc6)", "a PostScript file", _PAGES),
    # Videos and sounds.
    (_FTYP + rb"qt  ", "a QuickTime video (.mov)", _VIDEO),
    (_FTYP, "an MP4 video", _VIDEO),
    (rb".{4}(?:moov|mdat|wide|skip)", "a QuickTime video (.mov)", _VIDEO),
    (rb"(?:RIFF.{4}AVI |\x1aE\xdf\xa3|FLV\x01|\x00\x00\x01[\xb3\xba]|0&\xb2u\x8ef\xcf\x11)", "a video", _VIDEO),
    (rb"(?:RIFF.{4}WAVE|ID3|OggS|fLaC|\xff[\xfb\xf3])", "a sound", _NONE),
    # Arrays, tables and models.
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file (.h5)", _ARRAYS),
    (rb"(?:PAR1|PARE)", "a Parquet file", "save its images with numpy.save, or a list of objects as CSV or JSON Lines"),
    (rb"(?:ARROW1|FEA1|ORC|Obj\x01)", "a table (Arrow, Feather, ORC or Avro)", _ARRAYS),
    (rb".{4}\x00{4}\{", "a safetensors file", _ARRAYS),
    (rb"\x80[\x02-\x05][\x8a\x95\]}(cXKq)]", "pickled Python objects, which are never unpickled here", _ARRAYS),
    (rb"MATLAB 5\.0", "a MATLAB file", _ARRAYS),
    (rb"GGUF", "a model (GGUF)", _NONE),
    (rb".{4}TFL3", "a LiteRT model", "upload images here; MODEL_URI names the model"),
    (rb"SQLite format 3\x00", "an SQLite database", _NONE),
    # Programs, documents and what systems leave behind.
    (rb"(?:\x7fELF|MZ.{58}|\xfe\xed\xfa[\xce\xcf]|[\xce\xcf]\xfa\xed\xfe|\xca\xfe\xba\xbe|\x00asm|#!)", "a program", _NONE),
    (rb"\x00\x05\x16[\x00\x07]", "a file of attributes that macOS adds (._name)", "upload the file that it belongs to"),
    (rb"L\x00\x00\x00\x01\x14\x02\x00", "a Windows shortcut (.lnk)", "upload the file that it leads to"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document, or Windows' Thumbs.db", _PAGES),
    (rb".{0,1000}?%PDF-", "a PDF document", _PAGES),
    (rb"\{\\rtf", "an RTF document", _PAGES),
    # Text.
    (rb"(?:\xff\xfe|\xfe\xff)", "text in UTF-16", "save it as UTF-8"),
    (_TEXT + rb"version https://git-lfs", "a Git LFS pointer in place of the file", "fetch the file with `git lfs pull`"),
    (_TEXT + rb"data:[\w/+.-]*;base64,", "a data URL", _DECODE),
    (rb"(?:iVBORw0KGgo|/9j/|UklGR|H4sI|UEsDB)", "a file in Base64", _DECODE),
    (rb"--[^\r\n]{1,100}\r?\nContent-", "a web form (multipart/form-data)", "upload the file in it alone"),
    (rb"[0-9a-fA-F]+;chunk-signature=", "a body in chunks of signed uploads (aws-chunked)", _DECODE),
    (rb"(?:[0-9a-fA-F]+\r\n\x89PNG|[0-9a-fA-F]+\r\n\xff\xd8\xff)", "a body in chunks (aws-chunked)", _DECODE),
    (rb"-----BEGIN ", "a key, a certificate or an encrypted file", _NONE),
    (_TEXT + rb"(?:<\?xml.{0,1000}?)?(?:<!doctype svg|<svg)", "an SVG drawing", "draw it, and save it as PNG"),
    (_TEXT + rb"(?:<\?xml.{0,1000}?)?<(?:!doctype html|html|head|body|script)", "an HTML page", _NONE),
    (_TEXT + rb"<\?xml", "XML", _NONE),
    (_TEXT + rb"<[a-z!]", "HTML or XML", _NONE),
    (_TEXT + rb"[\[{]\s*[\]}\[{\"\d-]", "JSON that is no list of objects", _LIST),
)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_CRC32C = 0x82F63B78


def describe(head: bytes) -> str:
    """Returns the name of what begins with `head`, with its article: `a PDF document`."""
    return _judge(head)[0]


def advise(head: bytes) -> str:
    """Returns what to do with an object that begins with `head`."""
    return _judge(head)[1]


def is_archive(head: bytes) -> bool:
    """Returns whether `head` begins an archive or a packed file."""
    return any(re.match(pattern, head, re.DOTALL) for pattern, _, _ in _ARCHIVES)


def _judge(head: bytes) -> tuple[str, str]:
    head = head[:4096]
    if not head:
        return "empty", _NONE
    if not head.strip(b"\0"):
        return "nothing but zeros at the beginning", "upload it again"
    if _is_tfrecord(head):
        return "a TFRecord file", _ARRAYS
    for pattern, name, advice in _KINDS:
        if re.match(pattern, head, re.DOTALL):  # compiled when it is first needed, which saves every cold start 3 ms
            return name, advice
    if not _CONTROL.search(head):
        return f"text that begins with {head[:8]!r}", _LIST
    return f"content of no known format, which begins with {head[:8]!r}", "save pictures as PNG, arrays with numpy.save"


def _is_tfrecord(head: bytes) -> bool:
    """Returns whether `head` begins with the length of a record and the masked CRC-32C of that length.

    Source: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
    """
    crc = 0xFFFFFFFF
    for byte in head[:8]:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_CRC32C if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return len(head) >= 12 and ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF == int.from_bytes(head[8:12], "little")
