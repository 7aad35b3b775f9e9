"""A folder of objects of many formats, and the rows that `coatcheck score` makes of it."""

import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parents[3]
IMAGES = ROOT / "events" / "images"
BROKEN = b"\x89PNG\r\n\x1a\nnothing"


def rows_of(table):
    """The rows of a table in an order of their own, without the time of a document, which Ray writes none of."""
    return sorted(repr(row | {"written_at": None}) for row in table.to_pylist())


@pytest.fixture
def photos(tmp_path, sample_pixels):
    """120 images in ten objects, five objects that are rejected, and a broken image in an archive."""
    folder = tmp_path / "photos"
    (folder / "shelf").mkdir(parents=True)
    (folder / "_back room").mkdir()
    shutil.copy(IMAGES / "coat-0.png", folder / "shelf" / "coat.png")
    shutil.copy(IMAGES / "coat-1.png", folder / "_under.png")  # Ray's own listing passes over it,
    shutil.copy(IMAGES / "coat-2.png", folder / "_back room" / "a%20b #1?.png")  # takes such a path for an address
    shutil.copy(IMAGES / "coat-3.png", folder / "ü;=+.png")
    shutil.copy(IMAGES / "packed-idx3-ubyte.gz", folder)  # and unpacks what has such a name
    np.save(folder / "ten.npy", sample_pixels[:10])
    np.savetxt(folder / "three.csv", sample_pixels[:3].reshape(3, -1), fmt="%d", delimiter=",")
    (folder / "one.idx").write_bytes(struct.pack(">IIII", 0x803, 1, 28, 28) + sample_pixels[0].tobytes())
    with zipfile.ZipFile(folder / "mixed.zip", "w") as archive:
        archive.write(IMAGES / "bag-0.png", "bag.png")
        archive.writestr("broken.png", BROKEN)
    with tarfile.open(folder / "one.tar.gz", "w:gz") as archive:
        archive.add(IMAGES / "dress-0.png", "dress.png")
    for name, content in {"broken.png": BROKEN, "damaged.gz": b"\x1f\x8b\x08\0", "empty.png": b"", "notes.txt": b"no"}.items():
        (folder / name).write_bytes(content)
    (folder / "list.jsonl").write_text('{"source-ref": "s3://photos/shelf/coat.png"}\n')
    return folder


@pytest.fixture
def scored(photos, tmp_path):
    """The table that `coatcheck score` writes of the folder."""
    out, table = tmp_path / "documents", tmp_path / "table.parquet"
    command = [sys.executable, "-m", "infra", "score", photos, "--out", out, "--table", table]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env={"PATH": "/usr/bin:/bin"})
    return pq.read_table(table)
