"""Sound objects of every format and of every kind of picture, which fuzzers damage."""

import bz2
import gzip
import lzma
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image

from tests.handler.formats.samples import idx, npy, png, saved, sparse_tar, table, targz, tarred, webp, zip64, zipped

HEIC = Path(__file__).parent / "pictures" / "heic"
PIXELS = np.random.default_rng(3).integers(0, 256, (3, 28, 28), np.uint8)
PICTURE = PIL.Image.fromarray(PIXELS[0])
FILES = {"a.png": png(PIXELS[0][:9, :9]), "b.npy": npy(PIXELS[:1]), "c": idx(PIXELS[:1])}
SEEDS = {
    "png": png(PIXELS[0]),
    "png, palette": saved(PICTURE.convert("P"), "PNG", transparency=3),
    "png, 16 bits": png(PIXELS[0].astype(np.uint16) * 257),
    "png, RGBA with Exif": saved(PICTURE.convert("RGBA"), "PNG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\3\0\0"),
    "jpeg": saved(PICTURE, "JPEG"),
    "jpeg, progressive CMYK": saved(PICTURE.convert("CMYK"), "JPEG", progressive=True),
    "webp": webp(PIXELS[0]),
    "webp, lossy with alpha": saved(PICTURE.convert("RGBA"), "WEBP"),
    "webp, animated": saved(PICTURE, "WEBP", save_all=True, append_images=[PICTURE.rotate(90)]),
    "gif, interlaced": saved(PICTURE, "GIF", interlace=1),
    "gif, animated with transparency": saved(
        PICTURE, "GIF", save_all=True, append_images=[PICTURE.rotate(90)], transparency=3, comment=b"x" * 300
    ),
    "bmp": saved(PICTURE.convert("RGB"), "BMP"),
    "bmp, palette": saved(PICTURE.convert("P"), "BMP"),
    "tiff, LZW": saved(PICTURE.convert("RGB"), "TIFF", compression="tiff_lzw"),
    "tiff, 16 bits deflated": saved(PIL.Image.fromarray(PIXELS[0].astype(np.uint16)), "TIFF", compression="tiff_deflate"),
    "tiff, JPEG": saved(PICTURE.convert("RGB"), "TIFF", compression="jpeg"),
    "tiff, fax": saved(PICTURE.convert("1"), "TIFF", compression="group4"),
    "tiff, 64 bits": saved(PICTURE.convert("CMYK"), "TIFF", big_tiff=True),
    "avif": saved(PICTURE.convert("RGB"), "AVIF"),
    "avif, alpha": saved(PICTURE.convert("RGBA"), "AVIF"),
    "avif, animated": saved(PICTURE, "AVIF", save_all=True, append_images=[PICTURE.rotate(90)]),
    "heic": (HEIC / "turned.heic").read_bytes(),
    "heic, alpha": (HEIC / "alpha.heic").read_bytes(),
    "npy": npy(PIXELS),
    "npy, Fortran": npy(np.asfortranarray(PIXELS)),
    "idx": idx(PIXELS),
    "idx.gz": gzip.compress(idx(PIXELS), mtime=0),
    "zip": zipped(FILES),
    "zip, stored": zipped(FILES, zipfile.ZIP_STORED),
    "zip64": zip64(FILES),
    "tar": tarred(FILES),
    "tar, pax": tarred(FILES | {"é" * 80: FILES["a.png"]}, 2),
    "tar, GNU": tarred(FILES | {"n" * 120: FILES["a.png"]}),
    "tar.gz": targz(FILES),
    "tar behind a tar": tarred(FILES) + tarred(FILES),
    "tar, sparse": sparse_tar(30) + tarred(FILES),
    "tar.bz2": bz2.compress(tarred(FILES)),
    "tar.xz": lzma.compress(tarred(FILES)),
    "npy, flat": npy(PIXELS.reshape(3, -1)),
    "npy.gz": gzip.compress(npy(PIXELS), mtime=0),
    "table": table(PIXELS),
    "table, without names": table(PIXELS, names=False, labels=False),
    "list, augmented manifest": b'{"source-ref": "s3://bucket/a.png", "class": 4}\n' * 2,
    "list, packed": gzip.compress(b'"bucket","b%20c.png","1"\n' * 2, mtime=0),
    "list, manifest": b'[{"prefix": "s3://bucket/rack/"}, "a.png", "b c.png"]',
    "list, JSON Lines": b'{"key": "a.png"}\n{"key": "b c.png", "bucket": "other"}\n',
    "list, CSV": b'bucket,a.png\n"bucket","b%20c.png",version\n',
}
PACKS = {
    ".gz": (gzip.compress, gzip.decompress),
    "bz2": (bz2.compress, bz2.decompress),
    ".xz": (lzma.compress, lzma.decompress),
}
