"""Names the kinds of pictures that are not read, so that an error can say what a file is. Pure."""

from __future__ import annotations

import re

from handler.formats.pictures.boxes import brands

# Each pattern is matched at the first byte.
_NAMES = {
    "a JPEG 2000 picture": rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51",
    "a JPEG XL picture": rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n",
    "a JPEG XR picture": rb"II\xbc\x01",
    "a Photoshop document (PSD)": rb"8BPS",
    "a GIMP document (XCF)": rb"gimp xcf",
    "an SVG drawing": rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml.{0,1000}?)?(?:<!--.{0,2000}?-->\s*|<!DOCTYPE svg.{0,1000}?)*<svg[\s>]",
    "an icon or cursor (ICO)": rb"\0\0[\x01\x02]\0[^\0]\0...\0",
    "a camera's raw photo": rb"FUJIFILMCCD-RAW|IIR[OS]|IIU\0|FOVb",
    "a PBM, PGM, PPM or PAM picture": rb"P[1-6]\s+(?:#|\d)|P7\nWIDTH|P[Ff]\n",
    "an OpenEXR picture": rb"v/1\x01",
    "a Radiance HDR picture": rb"#\?RADIANCE|#\?RGBE",
    "a DDS texture": rb"DDS \x7c",
    "a QOI picture": rb"qoif",
    "a FITS picture": rb"SIMPLE  = ",
    "a DICOM picture": rb".{128}DICM",
    "a PostScript drawing (EPS)": rb"%!PS|\xc5\xd0\xd3\xc6",
    "a Windows metafile (WMF, EMF)": rb"\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF",
    "a MNG or JNG picture": rb"\x8a[MJ]NG\r\n|\x8bJNG\r\n",
    "a DjVu document": rb"AT&TFORM",
    "a FLIF or BPG picture": rb"FLIF|BPG\xfb",
    "a Sun or SGI raster picture": rb"\x59\xa6\x6a\x95|\x01\xda[\0\x01][\x01\x02]\0[\x01-\x03]",
}
_CANON_RAW = b"crx "


def name_of(head: bytes) -> str | None:
    """Returns what a file that begins with `head` is, if it is a picture or film of a known kind that is not read."""
    if stated := brands(head):
        return "a camera's raw photo" if _CANON_RAW in stated else "a film (MP4, MOV)"
    return next((name for name, pattern in _NAMES.items() if re.match(pattern, head, re.DOTALL)), None)
