"""Objects of every format, made by the formats' own tools, and the bodies they are read from."""

import gzip
import io
import struct
import tarfile
import tracemalloc
import zipfile
import zlib

import msgspec
import numpy as np
import PIL.Image

from handler.formats import decode
from handler.formats.image import Image


class Forwards:
    """A body that can be read forwards and no other way, in pieces that are smaller than asked for."""

    def __init__(self, content, piece_bytes=1000):
        self._content = io.BytesIO(content)
        self._piece_bytes = piece_bytes
        self.most_bytes = 0

    def read(self, size, /):
        self.most_bytes = max(self.most_bytes, size)
        return self._content.read(min(size, self._piece_bytes))


def decoded(content, target, name="x"):
    return list(decode(io.BytesIO(content), name, target))


def rows(content, target):
    """What a document would say: the name of each image, and with it the error's where there is one."""
    items = decoded(content, target)
    return [item.name if isinstance(item, Image) else (item.name, type(item.error).__name__) for item in items]


def limited(target, **limits):
    return msgspec.structs.replace(target, limits=msgspec.structs.replace(target.limits, **limits))


def peak_bytes(work):
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def saved(picture, kind, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def png(pixels, **options):
    return saved(PIL.Image.fromarray(pixels), "PNG", **options)


def webp(pixels, **options):
    return saved(PIL.Image.fromarray(pixels), "WEBP", **{"lossless": True} | options)


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def idx(pixels):
    return struct.pack(">IIII", 0x0803, *pixels.shape) + pixels.tobytes()


def zipped(files, compression=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return file.getvalue()


def zip64(files):
    """A zip whose end says where it is in 64 bits, as those of more than 4 GiB do."""
    plain = zipped(files)
    content, (count, directory_bytes, offset) = plain[:-22], struct.unpack("<HII", plain[-12:-2])
    end = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, directory_bytes, offset)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, len(content), 1)
    return content + end + locator + b"PK\x05\x06" + bytes(4) + b"\xff" * 12 + bytes(2)


def tarred(files, format=tarfile.GNU_FORMAT):  # noqa: A002  # tarfile's own word
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def targz(files):
    return gzip.compress(tarred(files), mtime=0)


def sparse_tar(count):
    """A sparse member of `count` pieces in GNU's old format: the header tells four, each block behind it 21 more."""
    told = [b"%011o\0%011o\0" % (number * 4096, 512) for number in range(count)]
    member = tarfile.TarInfo("sparse.png")
    member.type, member.size = tarfile.GNUTYPE_SPARSE, 512 * count
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[386:482] = b"".join(told[:4]).ljust(96, b"\0")
    header[482] = count > 4
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + sum(header[156:]) + 8 * 32)
    blocks = [b"".join(told[start : start + 21]).ljust(504, b"\0") for start in range(4, count, 21)]
    flags = [b"\1"] * (len(blocks) - 1) + [b"\0"]
    return (
        bytes(header)
        + b"".join(block + flag + bytes(7) for block, flag in zip(blocks, flags, strict=False))
        + b"x" * member.size
    )


def table(pixels, *, names=True, labels=True, separator=",", newline="\n"):
    """The images as Kaggle's CSV: a line of names, and a line of label and pixels for each image."""
    flat = pixels.reshape(len(pixels), -1)
    lines = [["label"] * labels + [f"pixel{number}" for number in range(1, flat.shape[1] + 1)]] * names
    lines += [["7"] * labels + [str(value) for value in row] for row in flat]
    return "".join(separator.join(line) + newline for line in lines).encode()


def chunk(kind, data):
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
