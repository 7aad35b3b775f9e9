"""The errors of objects that lie in what was uploaded, as their documents tell them."""

import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image

from handler.contract import Conversion, PixelShape
from handler.formats import decode
from handler.formats.image import Target, Unreadable
from handler.settings import load_settings
from tests.errors.provoking import Provocation, Scene, one_error
from tests.handler.formats.pictures.test_avif import avif, of_items
from tests.handler.formats.pictures.test_bmp import BGRA, PALETTE, bmp, rows
from tests.handler.formats.pictures.test_gif import gif
from tests.handler.formats.pictures.test_jpeg import PHOTO, with_segments
from tests.handler.formats.pictures.test_jpeg import segment as jpeg_segment
from tests.handler.formats.pictures.test_png import damaged as with_wrong_checksum
from tests.handler.formats.pictures.test_png import parts
from tests.handler.formats.pictures.test_tiff import tiff
from tests.handler.formats.pictures.test_webp import IMAGE as WEBP_IMAGE
from tests.handler.formats.pictures.test_webp import chunk as webp_chunk
from tests.handler.formats.pictures.test_webp import riff
from tests.handler.formats.samples import chunk, idx, npy, png, saved, sparse_tar, tarred, zipped
from tests.handler.formats.test_arrays import npy_with_header
from tests.handler.formats.test_tar_archive import A_PNG, END, header, pax, record
from tests.handler.formats.test_zip_archive import changed, with_mode

HEIC = Path(__file__).parents[1] / "handler" / "formats" / "pictures" / "heic" / "upright.heic"
PIXELS = np.arange(2 * 28 * 28, dtype=np.uint32).astype(np.uint8).reshape(2, 28, 28)
PICTURE = PIL.Image.fromarray(PIXELS[0])
PNG = png(PIXELS[0])
ROW = ",".join(map(str, PIXELS[0].ravel()))
NAMES = "label," + ",".join(f"pixel{number}" for number in range(1, 785))


def reading(*contents: bytes, key: str = "object", **settings: int):
    """Reads objects as the function does, for the model that ships, up to an error of each, or of a part of it."""

    def read(content: bytes) -> Exception:
        environ = {"OUTPUT_URI": "s3://output/", "INPUT_URIS": "s3://input/"}
        limits = load_settings(environ | {name: str(value) for name, value in settings.items()}).limits
        target = Target(shape=PixelShape(height=28, width=28, channels=1), conversion=Conversion(), limits=limits)
        parts = [item.error for item in decode(io.BytesIO(content), key, target) if isinstance(item, Unreadable)]
        return parts[0]

    return lambda scene: one_error(*(lambda content=content: read(content) for content in contents))


def in_a_zip(name: str, content: bytes) -> bytes:
    return zipped({name: content, "coat.png": PNG})


def with_size(content: bytes, at: int, *sizes: int, order: str = ">HH") -> bytes:
    return content[:at] + struct.pack(order, *sizes) + content[at + struct.calcsize(order) :]


def heic_without_its_decoder(scene: Scene) -> Exception:
    scene.patch.setitem(__import__("sys").modules, "_pi_heif", None)
    return reading(HEIC.read_bytes())(scene)


def negative_size() -> bytes:
    member = bytearray(header("coat.png"))
    member[124:136] = b"\xff" * 12  # -1 in base 256
    member[148:156] = b"%06o\0 " % (sum(member[:148]) + sum(member[156:]) + 8 * 32)
    return bytes(member) + END


def hidden_first_member() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("coat.png", PNG)
        archive.writestr("bag.png", PNG)
        archive.filelist.pop(0)
    return file.getvalue()


def png_parts(picture=PICTURE):
    return tuple(parts(saved(picture, "PNG")))


SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEAD, DATA, TAIL = png_parts()
TIFF = tiff([bytes(600)])
ZIP = zipped({"a.png": PNG})


def of_frames_of_any_size() -> bytes:
    """An AVIF whose data leave 16 bits for each side of a frame, though the picture is small."""
    bits = "000000000000" + "0" * 12 + "00000" + "11111111" + f"{27:016b}" * 2
    data = b"\x08" + int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    start = of_items([(0, len(data))], data).index(data)
    return of_items([(start, len(data))], data)


SHORT_LIST = of_items([(0, 10)], bytes(10)).replace(struct.pack(">H", 1) + struct.pack(">HHHII", 0, 0, 1, 0, 10), b"\xff\xff")

ANY = (
    Provocation(
        "EmptyObject",
        "a file without bytes was uploaded, often by an upload that broke off",
        "Upload the file again; if it is empty on your side too, leave it out.",
        reading(b""),
    ),
    Provocation(
        "EmptyObject",
        "a folder was made in S3's console, which stores an object without bytes for it",
        "Nothing: what is uploaded into it is scored as usual.",
        reading(b"", key=""),
    ),
    Provocation(
        "EmptyObject",
        "a file without bytes was packed, and then uploaded",
        "Pack the file anew; if it is empty, leave it out.",
        reading(gzip.compress(b"", mtime=0)),
    ),
    Provocation(
        "EmptyObject",
        "an array of no images was uploaded",
        "Look at what makes the arrays; an empty one needs no upload.",
        reading(npy(PIXELS[:0])),
    ),
    Provocation(
        "UnrecognisedFormat",
        "a file was uploaded that is none of the kinds that are read; the message names some 60 others",
        "Convert it as the message says. INPUT_URIS can name a prefix that such files do not lie under.",
        reading(b"%PDF-1.7"),
    ),
    Provocation(
        "UnrecognisedFormat",
        "a file that is packed is none of the kinds that are read",
        "Unpack it, and convert what is in it.",
        reading(gzip.compress(b"<html>", mtime=0)),
    ),
    Provocation(
        "ObjectTooLarge",
        "an object holds more images than are allowed, in an array, a table or an archive",
        "Cut it into several objects, or raise MAX_IMAGES_PER_OBJECT.",
        reading(npy(PIXELS), MAX_IMAGES_PER_OBJECT=1),
    ),
    Provocation(
        "ObjectTooLarge",
        "a list names more objects than are allowed",
        "Cut it into several lists, or raise MAX_LIST_OBJECTS.",
        reading(b"bucket,coat.png\nbucket,bag.png\n", MAX_LIST_OBJECTS=1),
    ),
    Provocation(
        "ObjectTooLarge",
        "a picture, or an array in Fortran order, has more bytes than may be in memory at once",
        "Save it smaller, or raise MAX_MEMBER_BYTES together with the function's memory.",
        reading(saved(PICTURE.resize((900, 900)), "BMP"), MAX_MEMBER_BYTES=10_000),
    ),
)

PACKED = (
    Provocation(
        "UnreadableArchive",
        "a packed file was damaged on its way",
        "If the file is sound on your side (`gzip -t`, `bzip2 -t`), upload it with a checksum.",
        reading(gzip.compress(idx(PIXELS), mtime=0)[:-6] + b"??????"),
    ),
    Provocation(
        "UnreadableArchive",
        "an xz file was damaged, or was packed by settings beyond those of `xz -9`",
        "Pack it by `xz -9` or less, or by gzip.",
        reading(lzma.compress(idx(PIXELS))[:60] + bytes(40)),
    ),
    Provocation(
        "UnreadableArchive",
        "an upload of a packed file broke off",
        "Compare its size with that of your file.",
        reading(gzip.compress(idx(PIXELS), mtime=0)[:-10]),
    ),
    Provocation(
        "UnreadableArchive",
        "a file of another kind was appended to a packed one",
        "Only files that were packed in the same way may follow one another.",
        reading(gzip.compress(idx(PIXELS), mtime=0) + PNG),
    ),
    Provocation(
        "UnreadableArchive",
        "a packed file consists of countless tiny streams, which takes far longer to unpack than its size suggests",
        "Unpack it, and pack the result.",
        reading(gzip.compress(PNG, mtime=0) + gzip.compress(b"", mtime=0) * 100_000),
    ),
    Provocation(
        "ObjectTooLarge",
        "an archive or a packed file unpacks to more bytes than are allowed",
        "Pack fewer images together, or raise MAX_UNPACKED_BYTES.",
        reading(gzip.compress(idx(PIXELS), mtime=0), MAX_UNPACKED_BYTES=1000),
    ),
    Provocation(
        "ObjectTooLarge",
        "a file unpacks to far more than its size, as a zip bomb does, or an array of blank images",
        "If the content is yours, raise MAX_COMPRESSION_RATIO, or upload it as it is.",
        reading(gzip.compress(npy(np.zeros((2000, 28, 28), np.uint8)), mtime=0)),
    ),
)

ARCHIVES = (
    Provocation(
        "EmptyObject",
        "an archive was uploaded that holds no file, or only hidden ones and those that systems add (`.DS_Store`, `Thumbs.db`)",
        "Look into the archive; a folder whose name begins with a dot is hidden with all that is in it.",
        reading(zipped({"folder/": b"", ".DS_Store": b"?"})),
    ),
    Provocation(
        "UnrecognisedFormat",
        "an archive was uploaded in which no file is a picture or an array",
        "Convert what is in it, and pack the result.",
        reading(tarred({"report.pdf": b"%PDF-1.7"})),
    ),
    Provocation(
        "UnrecognisedFormat",
        "a document of Word, Excel or PowerPoint was uploaded, which is a zip archive inside",
        "The pictures are in the folder `media` of the archive.",
        reading(zipped({"[Content_Types].xml": b"<?xml version='1.0'?>", "word/media/image1.png": PNG})),
    ),
    Provocation(
        "ObjectTooLarge",
        "an archive has more members than are allowed, folders and hidden files included",
        "Pack several archives, or raise MAX_ARCHIVE_MEMBERS.",
        reading(
            zipped({"a.png": PNG, "b.png": PNG}),
            tarred({"a.png": PNG, "b.png": PNG}),
            MAX_ARCHIVE_MEMBERS=1,
        ),
    ),
    Provocation(
        "UnreadableArchive",
        "something was appended to an archive; the archive itself is scored",
        "Look at how the archive is made: tools that append to a file write behind its end.",
        reading(zipped({"a.png": PNG}) + b"%PDF-1.7", A_PNG + END + b"%PDF-1.7"),
    ),
    Provocation(
        "EmptyObject",
        "a member of an archive has no bytes",
        "If it had some, pack it again.",
        reading(in_a_zip("empty.png", b"")),
    ),
    Provocation(
        "EmptyObject",
        "an array in an archive holds no images",
        "Nothing, if it was meant to be empty: the others are scored.",
        reading(in_a_zip("none.npy", npy(PIXELS[:0]))),
    ),
    Provocation(
        "UnsafeMember",
        "an archive holds an archive, or a packed file",
        "Archives are read one level deep: pack the images themselves.",
        reading(in_a_zip("more.zip", zipped({"a.png": PNG}))),
    ),
    Provocation(
        "ObjectTooLarge",
        "a member of an archive has more bytes than may be in memory at once",
        "An array or table that is an object of its own is read piece by piece; or raise MAX_MEMBER_BYTES.",
        reading(in_a_zip("shop.npy", npy(PIXELS)), MAX_MEMBER_BYTES=1000),
    ),
    Provocation(
        "UnsafeMember",
        "a member of an archive has no name",
        "Its image may be sound: give it a name.",
        reading(in_a_zip("a.png", PNG).replace(b"a.png", b"\0.png")),
    ),
    Provocation(
        "UnsafeMember",
        "a member's path leads out of the archive, such as `../a.png`, `/a.png` or `C:\\a.png`",
        "Change into the folder before packing it (`tar -C FOLDER -cf OUT.tar .`).",
        reading(in_a_zip("../coat.png", PNG)),
    ),
    Provocation(
        "UnsafeMember",
        "a member's path is so long that the document would become huge",
        "Rename it, or pack fewer levels of folders.",
        reading(in_a_zip("n" * 501, PNG)),
    ),
    Provocation(
        "UnsafeMember",
        "a zip archive holds a symbolic link or a special file, which is never followed",
        "`zip` follows links unless it is given `--symlinks`.",
        reading(with_mode(stat.S_IFLNK | 0o777)),
    ),
    Provocation(
        "UnsafeMember",
        "a member of a zip archive is encrypted",
        "Pack it anew without a password; the bucket's own encryption protects what is stored.",
        reading(changed(zipped({"a.png": PNG}), 0, flags=1)),
    ),
    Provocation(
        "UnreadableMember",
        "a member of a zip archive is packed by bzip2, LZMA, Zstandard or another method than deflate",
        "Choose Deflate in the tool that packs, as most do by default.",
        reading(zipped({"a.png": PNG}, zipfile.ZIP_LZMA)),
    ),
    Provocation(
        "UnreadableMember",
        "a member of a zip archive is damaged",
        "`unzip -t` tells whether the archive is sound on your side.",
        reading(changed(zipped({"a.png": PNG}), 0, crc=1)),
    ),
    Provocation(
        "UnreadableMember",
        "the entry of a member in a zip archive's directory is damaged",
        "Another tool may write it rightly; the other members are scored.",
        reading(changed(zipped({"a.png": PNG, "b.png": PNG}), 0, unpacked=2**32 - 1)),
    ),
    Provocation(
        "UnreadableArchive",
        "an upload of a zip archive broke off, or something long was appended to it",
        "Compare its size with that of your file.",
        reading(zipped({"a.png": PNG})[:-30]),
    ),
    Provocation(
        "UnreadableArchive",
        "two zip archives were joined in one file (`cat a.zip b.zip`), or one that holds another broke off",
        "`zip -FF` can tell them apart.",
        reading(zipped({"a.png": PNG}) + zipped({"b.png": PNG})),
    ),
    Provocation(
        "UnreadableArchive",
        "other bytes come before the first member of a zip archive, as in a program that unpacks itself",
        "`zip -A` or unpacking and packing again makes a plain archive.",
        reading(hidden_first_member()),
    ),
    Provocation(
        "UnreadableArchive",
        "the directory of a zip archive is damaged",
        "`unzip -t` tells whether the archive is sound on your side.",
        reading(zipped({"a.png": PNG}).replace(b"PK\x01\x02", b"PK??")),
    ),
    Provocation(
        "UnreadableArchive",
        "the directory of a zip archive ends within an entry",
        "Unpack the archive with another tool, and pack the files anew.",
        reading(with_size(ZIP, ZIP.index(b"PK\x01\x02") + 28, 9999, order="<H")),
    ),
    Provocation(
        "UnreadableArchive",
        "members of a zip archive overlap, as in a zip bomb, or lie behind its end",
        "No common tool makes such archives: do not trust one that you did not make.",
        reading(changed(zipped({"a.png": PNG, "b.png": PNG}, zipfile.ZIP_STORED), 1, offset=0)),
    ),
    Provocation(
        "UnsafeMember",
        "a tar archive holds a link or a special file, which is never followed",
        "A second name of the same file (a hard link) is stored as a link too.",
        reading(header("link.png", tarfile.SYMTYPE, linkname="/etc/passwd") + A_PNG + END),
    ),
    Provocation(
        "UnsafeMember",
        "a tar archive holds a sparse file, whose holes are left out",
        "`tar --format=ustar` never leaves holes out.",
        reading(sparse_tar(4) + A_PNG + END),
    ),
    Provocation(
        "UnreadableMember",
        "a member of a tar archive has more attributes in front of it than a file of images ever has",
        "macOS: `COPYFILE_DISABLE=1 tar --no-xattrs`; GNU: leave out `--xattrs` and `--acls`.",
        reading(header("pax", tarfile.XHDTYPE, 2**17) + bytes(2**17) + A_PNG + END),
    ),
    Provocation(
        "UnreadableArchive",
        "a tar archive is damaged, or broke off between two members",
        "`tar -tf` tells whether the archive is sound on your side.",
        reading(A_PNG + A_PNG[:512].replace(b"a.png", b"b.png") + END),
    ),
    Provocation(
        "UnreadableArchive",
        "a tar archive broke off within a member",
        "Compare its size with that of your file.",
        reading(
            header("coat.png", size=5000) + b"x" * 100,
            header(".hidden", size=5000) + b"x" * 100,
            sparse_tar(30)[:700],
        ),
    ),
    Provocation(
        "UnreadableArchive",
        "a tar archive broke off before a member whose name or attributes came already",
        "Compare its size with that of your file.",
        reading(pax(record(b"path", b"coat.png")) + END),
    ),
    Provocation(
        "UnreadableArchive",
        "a member of a tar archive has more headers in front of it than any tool writes",
        "GNU tar and Python's `tarfile` write two at most.",
        reading(pax(b"") * 5 + A_PNG + END),
    ),
    Provocation(
        "UnreadableArchive",
        "the header of a member of a tar archive is damaged, so that its size is below zero",
        "`tar -tf` shows the same on your side, if it is not the upload.",
        reading(negative_size()),
    ),
    Provocation(
        "UnreadableArchive",
        "the attributes in front of a member of a tar archive are damaged",
        "`tar -tf` warns of them on your side, if it is not the upload.",
        reading(pax(b"no record") + A_PNG + END),
    ),
    Provocation(
        "UnreadableArchive",
        "the attributes in front of a member of a tar archive state no size that could be one",
        "Another tool, or `tar --format=ustar`, leaves such attributes out.",
        reading(pax(record(b"size", b"-1")) + A_PNG + END),
    ),
)

PICTURES = (
    Provocation(
        "UnreadableImage",
        "a picture is damaged inside, so that its decoder gives up",
        "If it opens on your side, it was damaged on its way: upload it with a checksum.",
        reading(SIGNATURE + HEAD + chunk(b"IDAT", b"pixels") + TAIL),
    ),
    Provocation(
        "ObjectTooLarge",
        "a picture has more pixels than are allowed, or a damaged header that says so",
        "The model sees it in its own small size anyway; or raise MAX_IMAGE_PIXELS together with the function's memory.",
        reading(with_size(PHOTO, PHOTO.index(b"\xff\xc0") + 5, 60_000, 60_000)),
    ),
    Provocation(
        "UnreadableImage",
        "a picture's header says that it has no width or no height",
        "The header is damaged, or the program that wrote it failed.",
        reading(with_size(PHOTO, PHOTO.index(b"\xff\xc0") + 5, 0, 30)),
    ),
    Provocation(
        "UnreadableImage",
        "an iPhone's photo was uploaded as it is, and the function was built without a decoder for it",
        "docs/deploy.md, under HEIC, says what building with HEIC=1 brings with it.",
        heic_without_its_decoder,
    ),
    Provocation(
        "UnreadableImage",
        "an upload of a PNG broke off",
        "Compare its size with that of your file.",
        reading(saved(PICTURE, "PNG")[:-40]),
    ),
    Provocation(
        "UnreadableImage",
        "a PNG was damaged on its way",
        "If it opens on your side, upload it with a checksum.",
        reading(SIGNATURE + HEAD + with_wrong_checksum(DATA) + TAIL),
    ),
    Provocation(
        "UnreadableImage",
        "a PNG does not begin with its header",
        "A program that opens it all the same can save it rightly.",
        reading(SIGNATURE + chunk(b"tIME", bytes(7)) + HEAD + DATA + TAIL),
    ),
    Provocation(
        "UnreadableImage",
        "a PNG lacks its palette or its pixels, or has a part twice",
        "A program that opens it all the same can save it rightly.",
        reading(SIGNATURE + HEAD + TAIL),
    ),
    Provocation(
        "UnreadableImage",
        "a PNG holds parts that the standard does not know, such as an iPhone app's own PNGs (CgBI)",
        "Xcode's `pngcrush -revert-iphone-optimizations` makes a plain PNG of those.",
        reading(SIGNATURE + chunk(b"CgBI", bytes(4)) + HEAD + DATA + TAIL),
    ),
    Provocation(
        "UnreadableImage",
        "a PNG consists of countless tiny parts, which take far longer to read than its size suggests",
        "Any editor or `magick` writes a few.",
        reading(SIGNATURE + HEAD + chunk(b"tEXt", b"a\0b") * 20_000 + DATA + TAIL),
    ),
    Provocation(
        "UnreadableImage",
        "a JPEG has no header of its picture, as when its beginning was overwritten",
        "If it opens on your side, save it again from there.",
        reading(b"\xff\xd8\xff\xe0\0\2\xff\xd9"),
    ),
    Provocation(
        "UnreadableImage",
        "a JPEG consists of countless parts, which take far longer to read than its size suggests",
        "`jpegtran -copy none` leaves out what is no picture.",
        reading(with_segments(jpeg_segment(0xFE, b"") * 1001)),
    ),
    Provocation(
        "UnreadableImage",
        "an upload of a WebP broke off",
        "Compare its size with that of your file.",
        reading(riff(webp_chunk(b"XMP ", b"")), riff(WEBP_IMAGE)[:-20]),
    ),
    Provocation(
        "UnreadableImage",
        "a WebP consists of countless tiny parts",
        "Any editor or `magick` writes a few.",
        reading(riff(WEBP_IMAGE, webp_chunk(b"XYZ ", b"") * 20_000)),
    ),
    Provocation(
        "UnreadableImage",
        "an upload of a GIF broke off, or it was damaged",
        "Compare its size with that of your file.",
        reading(saved(PICTURE, "GIF")[:20]),
    ),
    Provocation(
        "UnreadableImage",
        "a GIF has countless comments or other parts in front of its picture",
        "Any editor or `magick` writes a few.",
        reading(gif((28, 28), (0, 0), before=b"!\xfe\0" * 20_001)),
    ),
    Provocation(
        "UnreadableImage",
        "an upload of a BMP broke off within its header",
        "Compare its size with that of your file.",
        reading(bmp(b"")[:30]),
    ),
    Provocation(
        "UnreadableImage",
        "an upload of a BMP broke off",
        "Compare its size with that of your file.",
        reading(bmp(rows(BGRA[:, :, :3]))[:-1]),
    ),
    Provocation(
        "UnreadableImage",
        "a BMP holds a JPEG, a PNG or pixels in a compression of printers",
        "Most programs write uncompressed BMPs.",
        reading(bmp(rows(BGRA), bits=32, compression=4)),
    ),
    Provocation(
        "UnreadableImage",
        "a run-length encoded BMP is so large that unpacking it would take seconds",
        "Such BMPs are for icons.",
        reading(bmp(bytes(2**22 + 1), width=6, height=2, bits=8, compression=1, palette=PALETTE)),
    ),
    Provocation(
        "UnreadableImage",
        "a run-length encoded BMP has so many pixels that unpacking it would take seconds",
        "Such BMPs are for icons.",
        reading(bmp(b"\0\1", width=2**12, height=2**12, bits=8, compression=1, palette=PALETTE)),
    ),
    Provocation(
        "UnreadableImage",
        "a TIFF was damaged, or its upload broke off: TIFFs often state their size at their end",
        "Compare its size with that of your file.",
        reading(tiff([bytes(600)])[:100]),
    ),
    Provocation(
        "UnreadableImage",
        "a camera's raw photo was uploaded",
        "Develop it, or have the camera write JPEGs besides.",
        reading(tiff([bytes(600)], t50706=[1, 4, 0, 0])),
    ),
    Provocation(
        "UnreadableImage",
        "a TIFF is compressed in a way that is not read, such as JPEG of the old kind or ZSTD",
        "Or save it as TIFF with one of those named.",
        reading(tiff([bytes(600)], compression=6)),
    ),
    Provocation(
        "UnreadableImage",
        "a TIFF holds measurements and not a picture (floats, 32 bits, signed numbers), or colours of a rare kind",
        "Convert it to PNG of 8 bits; which value is black and which is white, only you can tell.",
        reading(tiff([bytes(9000)], bits=32, t339=[3])),
    ),
    Provocation(
        "UnreadableImage",
        "a TIFF's list of where its pixels are is damaged",
        "A program that opens it all the same can write the list anew.",
        reading(tiff([bytes(600)], t278=[1])),
    ),
    Provocation(
        "UnreadableImage",
        "an upload of a TIFF broke off, or its pixels are said to lie behind its end",
        "Compare its size with that of your file.",
        reading(TIFF.replace(struct.pack("<HHII", 279, 4, 1, 600), struct.pack("<HHII", 279, 4, 1, 10**6))),
    ),
    Provocation(
        "ObjectTooLarge",
        "a TIFF states a tile or strip that would unpack to more than any picture within the limits needs",
        "The header is damaged, or the program that wrote it failed.",
        reading(tiff([bytes(600)], t322=[2**31], t323=[2**31])),
    ),
    Provocation(
        "ObjectTooLarge",
        "a TIFF uses the same bytes for many tiles or strips, or its tiles reach far beyond its picture",
        "No common program writes such files.",
        reading(tiff([bytes(16)] * 20, t256=[16], t257=[320], t322=[2**22], t323=[16])),
    ),
    Provocation(
        "UnreadableImage",
        "an AVIF holds no main picture, or only a film",
        "Convert it with a program that opens it.",
        reading(avif(PICTURE).replace(b"meta", b"free", 1)),
    ),
    Provocation(
        "UnreadableImage",
        "an upload of an AVIF broke off within the list of its parts, or the list was damaged",
        "Compare its size with that of your file.",
        reading(SHORT_LIST),
    ),
    Provocation(
        "UnreadableImage",
        "an AVIF uses the same bytes for several parts, so that it would decode to far more than its size suggests",
        "No common program writes such files.",
        reading(of_items([(0, 10**6)] * 1000, bytes(10**6))),
    ),
    Provocation(
        "UnreadableImage",
        "an AVIF consists of countless parts",
        "Convert it to PNG; no common program writes so many.",
        reading(of_items([(0, 10)] * 10_001, bytes(10), entries=1)),
    ),
    Provocation(
        "UnreadableImage",
        "an AVIF consists of countless boxes, as its smallest parts are called",
        "Convert it to PNG; no common program writes so many.",
        reading(of_items([(0, 10)], bytes(10), entries=10_001)),
    ),
    Provocation(
        "UnreadableImage",
        "the compressed data in an AVIF consist of countless units",
        "Convert it to PNG; no common program writes so many.",
        reading(of_items([(300, 30_000)], b"\x0a\0" * 20_000)),
    ),
    Provocation(
        "UnreadableImage",
        "an AVIF's data allow a frame to be far larger than the picture, so that a decoder could run out of memory",
        "Encode it with a still-picture header, as `avifenc` does.",
        reading(of_frames_of_any_size()),
    ),
)

ARRAYS = (
    Provocation(
        "UnreadableArray",
        "an array of floats, or of other numbers than bytes, was uploaded",
        "Look at `images.dtype` and `images.max()` first; values beyond 255 would be cut by `astype`.",
        reading(npy(PIXELS.astype(np.float32))),
    ),
    Provocation(
        "WrongShape",
        "the images of an array are of another size than the model's, or their axes are in another order",
        "`images.transpose(0, 2, 3, 1)` moves channels to the end.",
        reading(npy(np.zeros((2, 32, 32, 3), np.uint8))),
    ),
    Provocation(
        "UnreadableArray",
        "an upload of an array broke off",
        "Compare its size with that of your file.",
        reading(npy(PIXELS)[:-1]),
    ),
    Provocation(
        "UnreadableArray",
        "something was appended to an array, such as a second array",
        "`numpy.concatenate` makes one array of two; `numpy.savez` puts several into one file.",
        reading(npy(PIXELS) + npy(PIXELS)),
    ),
    Provocation(
        "UnreadableArray",
        "an upload of an array in Fortran order broke off, or something was appended to it",
        "`numpy.ascontiguousarray` gives the usual order, in which arrays of any size are read.",
        reading(npy(np.asfortranarray(PIXELS))[:-1]),
    ),
    Provocation(
        "UnreadableArray",
        "the beginning of an array is damaged, or of a version of the format that does not exist yet",
        "`numpy.load` tells whether the file is sound on your side.",
        reading(b"\x93NUMPY\x09\x00\x76\x00"),
    ),
    Provocation(
        "UnreadableArray",
        "the header of an array is damaged, so that its length makes no sense, or the array has many named fields",
        "`numpy.load` tells whether the file is sound on your side.",
        reading(b"\x93NUMPY\x02\x00\xff\xff\xff\xff"),
    ),
    Provocation(
        "UnreadableArray",
        "the header of an array is damaged",
        "`numpy.load` tells whether the file is sound on your side.",
        reading(npy_with_header("{'descr': '|u1'")),
    ),
    Provocation(
        "UnreadableIdx",
        "a file of labels of MNIST or Fashion-MNIST was uploaded",
        "The images have `images-idx3` in their names.",
        reading(struct.pack(">II", 0x0801, 3) + b"\1\2\3"),
    ),
    Provocation(
        "UnreadableIdx",
        "an upload of an IDX file broke off within its header",
        "Compare its size with that of your file.",
        reading(b"\0\0\x08\3" + bytes(4)),
    ),
    Provocation(
        "WrongShape",
        "the images of a table of pixels are of another size than the model's",
        "Columns count as pixels if their names differ by numbers alone.",
        reading(b"label,pixel1,pixel2,pixel3,pixel4\n0,1,2,3,4\n"),
    ),
    Provocation(
        "UnreadableArray",
        "a line of a table of pixels holds fractions, values beyond 255, or too few or too many values",
        "Multiply values of 0 to 1 by 255 and round them. The other lines are scored.",
        reading(f"{NAMES}\n0,{ROW}\n0,0.5{ROW[1:]}\n".encode()),
    ),
    Provocation(
        "UnreadableArray",
        "no line of a table of pixels is an image",
        "Mend the first line, and try it alone.",
        reading(f"{NAMES}\n0,0.5{ROW[1:]}\n".encode()),
    ),
    Provocation(
        "UnreadableArray",
        "a table of pixels has no ends of lines, or far too many columns",
        "Look at its first line in an editor.",
        reading(b"1,2,3,4," + b"5" * 100_000),
    ),
)

LISTS = (
    Provocation(
        "UnreadableList",
        "a list names nothing that could be an object",
        "Mend the first line, and try it alone.",
        reading(b'{"key": 5}\n'),
    ),
    Provocation(
        "UnreadableList",
        "a line of a list has no key, or a key or bucket that is no text",
        '`{"key": "rack/a.png"}` is a line; the other lines are used.',
        reading(b'{"key": "a.png"}\n{"name": "b.png"}\n'),
    ),
    Provocation(
        "UnreadableList",
        "a line of an augmented manifest names no address of S3",
        "Addresses of other kinds (https://, local paths) are not read.",
        reading(b'{"key": "a.png"}\n{"source-ref": "b.png"}\n'),
    ),
    Provocation(
        "UnreadableList",
        "a line of a list is neither JSON nor CSV, or is not encoded in UTF-8",
        "Save the list as UTF-8; keys in a CSV are percent-encoded.",
        reading(b'{"key": "a.png"}\n{"key": "\n'),
    ),
    Provocation(
        "UnreadableList",
        "a line of a list has an empty key, or one that is longer than S3 allows",
        "Look for an empty field.",
        reading(b'{"key": "a.png"}\n{"key": ""}\n'),
    ),
    Provocation(
        "UnreadableList",
        "a line of a list has a bucket that no bucket can be called",
        "The name alone is asked for, without s3:// and without a path.",
        reading(b'{"key": "a.png"}\n{"key": "b.png", "bucket": "my bucket"}\n'),
    ),
    Provocation(
        "UnreadableList",
        "a line of a CSV has no comma",
        "A CSV of keys alone is not read: write the bucket in front of each, or use JSON Lines.",
        reading(b"bucket,a.png\nb.png\n"),
    ),
    Provocation(
        "UnreadableList",
        "a line of a list is far longer than any key, since ends of lines are missing",
        "Look at its first line in an editor.",
        reading(b'{"key": "' + b"k" * 200_000),
    ),
    Provocation(
        "UnreadableList",
        "a SageMaker manifest broke off, or is no JSON",
        "`python -m json.tool` shows where.",
        reading(b'[{"prefix": "s3://bucket/rack/"}, "a.png"'),
    ),
    Provocation(
        "UnreadableList",
        "the first entry of a SageMaker manifest is no prefix, or one without a slash at its end",
        "What follows is appended to the prefix.",
        reading(b'[{"prefix": "s3://bucket/rack"}, "a.png"]'),
    ),
    Provocation(
        "UnreadableList",
        "an entry of a SageMaker manifest is no text",
        "The other entries are used.",
        reading(b'[{"prefix": "s3://bucket/rack/"}, "a.png", 5]'),
    ),
)

ROWS = ANY + PACKED + ARCHIVES + PICTURES + ARRAYS + LISTS
