"""The errors of training: of the data, of the options, and of models that were trained elsewhere."""

import gzip
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import typer.main

from handler.model import BUNDLED_ARTIFACT
from tests.errors.provoking import Provocation, Scene, one_error
from training.__main__ import app
from training.artifact import load_artifact
from training.config import PRESETS
from training.data import fashion_mnist
from training.data.dataset import Dataset, Split
from training.data.held_out import split_training_images
from training.data.sources import load_labelled, load_source
from training.network.runs import CHECKPOINT_FILE, RUN_FILE, read_run
from training.network.teacher import soft_labels
from training.recipes import clothes_photos
from training.report.picture_files import read_picture
from training.transfer.head import divide

Prepare = Callable[[], object]

COMMAND = typer.main.get_command(app)


def training(*arguments: str, prepare: Prepare = lambda: None) -> Callable[[Scene], Exception]:
    """Runs `python -m training` after the files that it reads were made."""

    def provoke(scene: Scene) -> Exception:
        prepare()
        try:
            COMMAND.main([*arguments], standalone_mode=False)
        except SystemExit as end:  # which tells the error in the line that it ends with
            if isinstance(end.__cause__, Exception):
                return end.__cause__
            raise
        raise AssertionError("no error came")

    return provoke


def loading(prepare: Prepare = lambda: None, **options: object) -> Callable[[Scene], Exception]:
    """Loads the data that the options of `fit` or `export` name, as these commands do once they have loaded Keras."""

    def provoke(scene: Scene) -> Exception:
        prepare()
        load_source(**({"images": None, "size": None, "data_dir": None, "classes": None} | options))
        raise AssertionError("no error came")

    return provoke


def calling(work: Callable[[Scene], object]) -> Callable[[Scene], Exception]:
    """Calls a function of training, for what the commands reach only once they have loaded Keras or learnt something."""

    def provoke(scene: Scene) -> Exception:
        work(scene)
        raise AssertionError("no error came")

    return provoke


def write(path: str, content: bytes | str = b"") -> Prepare:
    """Returns what writes a file, with its folder."""

    def prepare() -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(content.encode() if isinstance(content, str) else content)

    return prepare


def both(*steps: Prepare) -> Prepare:
    """Returns what does several things."""
    return lambda: [step() for step in steps]


def photos(*classes: str, count: int = 6, folder: str = "photos") -> Prepare:
    """Returns what makes a folder of pictures for each of some classes."""

    def prepare() -> None:
        for number, name in enumerate(classes):
            Path(folder, name).mkdir(parents=True)
            for index in range(count):
                PIL.Image.new("L", (28, 28), 40 * number + index).save(Path(folder, name, f"{index}.png"))

    return prepare


def idx(magic: int, *shape: int, value: int = 0) -> bytes:
    """Returns an IDX file whose bytes are all the same."""
    return struct.pack(f">{1 + len(shape)}I", magic, *shape) + bytes([value]) * int(np.prod(shape))


def mnist(folder: str = "mnist", *, side: int = 28, labels: int = 4, value: int = 1, **others: bytes) -> Prepare:
    """Returns what makes the four files of a data set like MNIST: four images, and their labels; `others` replace files."""
    files = {
        f"{part}-{name}": content
        for part in ("train", "t10k")
        for name, content in (
            ("images-idx3-ubyte", idx(0x0803, 4, side, side)),
            ("labels-idx1-ubyte", idx(0x0801, labels, value=value)),
        )
    }
    given = {name.replace("_", "-"): content for name, content in others.items()}
    return both(*(write(f"{folder}/{name}", content) for name, content in (files | given).items()))


def few(scene: Scene) -> None:
    images = Split(np.zeros((4, 8, 8, 1), np.uint8), np.zeros(4, np.uint8))
    split_training_images(PRESETS["smoke"], Dataset("few", scene.folder, ("a", "b"), images, images, {}))


def other_teacher(scene: Scene) -> None:
    images = Split(np.zeros((4, 8, 8, 1), np.uint8), np.zeros(4, np.uint8))
    soft_labels(images, ("cat", "dog"), load_artifact(BUNDLED_ARTIFACT), PRESETS["smoke"])


def old_run(scene: Scene) -> None:
    both(write(f"full-0/{RUN_FILE}", "{}"), write(f"full-0/{CHECKPOINT_FILE}"))()
    read_run(Path("full-0"))


def broken_download(scene: Scene) -> None:
    scene.patch.delenv("FASHION_MNIST_DIR", raising=False)
    scene.patch.setattr(fashion_mnist, "DEBIAN_DIR", Path("mnist"))
    mnist()()
    load_source(None, None, None, None)


ADOPT = ("--classes", "classes.txt", "--out", "artifact")
REPORT = ("report", "--out", "pages", "--images", "photos")
CSV = "object,class_name\nphotos/0.png,Coat\n"

ROWS: tuple[Provocation, ...] = (
    Provocation(
        "DataError",
        "the folder of --images is not there, or its name is misspelt",
        "Name the folder that holds a folder of images for each class.",
        training(*REPORT),
    ),
    Provocation(
        "DataError",
        "images lie beside the folders of the classes",
        "Move each image into the folder of its class, and other files away.",
        training(*REPORT, prepare=both(photos("Coat"), write("photos/notes.txt"))),
    ),
    Provocation(
        "DataError",
        "a class has a folder without images",
        "Add images of that class, or delete its folder.",
        training(*REPORT, prepare=both(photos("Coat"), lambda: Path("photos/Dress").mkdir())),
    ),
    Provocation(
        "DataError",
        "the folder of --images is empty",
        "Name the folder that holds a folder of images for each class.",
        loading(lambda: Path("photos").mkdir(), images=Path("photos")),
    ),
    Provocation(
        "DataError",
        "there is one class only",
        "Add a folder with images of something else: a model tells classes apart.",
        loading(photos("Coat"), images=Path("photos")),
    ),
    Provocation(
        "DataError",
        "a folder is named after no class of the model",
        "Rename the folder after one of the classes, or name the artifact that was made of these images.",
        training(*REPORT, prepare=photos("Coat", "Hat")),
    ),
    Provocation(
        "DataError",
        "a class has too few images, so that none can be set aside to measure by",
        "Add images of that class.",
        training(*REPORT, prepare=photos("Coat", count=3)),
    ),
    Provocation(
        "DataError",
        "the name of a folder is not UTF-8, as of an old archive",
        "Give the folder a name of letters that your system can show.",
        loading(both(photos("a"), lambda: Path("photos", "f\udcfcnf").mkdir()), images=Path("photos")),
    ),
    Provocation(
        "DataError",
        "a file in the folder of a class is no image, or a broken one",
        "Move it away, convert it to PNG or JPEG, or get it again.",
        training(*REPORT, prepare=both(photos("Coat"), write("photos/Coat/notes.txt", "to do"))),
    ),
    Provocation(
        "DataError",
        "the file of --labels is not there",
        "Check its path; the page that `coatcheck sheet` makes saves such a file.",
        training(*REPORT, "--labels", "labels.csv", prepare=photos("Coat")),
    ),
    Provocation(
        "DataError",
        "the file of --labels is in another encoding, as some spreadsheets write it",
        'Choose "CSV UTF-8" where you save it.',
        training(*REPORT, "--labels", "labels.csv", prepare=both(photos("Coat"), write("labels.csv", b"\xff\xfe"))),
    ),
    Provocation(
        "DataError",
        "the CSV of --labels has no column for the image, or none for its class",
        "Give its columns such names in the first line.",
        training(
            *REPORT, "--labels", "labels.csv", prepare=both(photos("Coat"), write("labels.csv", "photo,kind\n1.png,Coat\n"))
        ),
    ),
    Provocation(
        "DataError",
        "the CSV of --labels has a quote that is never closed",
        "Close it, in or before the line that is named.",
        training(*REPORT, "--labels", "labels.csv", prepare=both(photos("Coat"), write("labels.csv", CSV + '"1.png,Coat\n'))),
    ),
    Provocation(
        "DataError",
        "an image lies in no folder, and the CSV of --labels says nothing of it",
        "Add a line for it to the CSV, or move it into the folder of its class.",
        training(*REPORT, "--labels", "labels.csv", prepare=both(photos("", count=2), write("labels.csv", CSV))),
    ),
    Provocation(
        "DataError",
        "--labels was given without --images",
        "Add --images, or leave --labels out.",
        lambda _: one_error(
            lambda: load_source(None, None, None, None, Path("labels.csv")),
            lambda: load_labelled(BUNDLED_ARTIFACT, None, None, Path("labels.csv")),
        ),
    ),
    Provocation(
        "DataError",
        "`fit` or `export` was given --size without --images",
        "Add --images, or leave --size out.",
        loading(size=64),
    ),
    Provocation(
        "DataError",
        "both kinds of data were named",
        "Name --images, or --data-dir with --classes, and not both.",
        training("fit", "--preset", "smoke", "--images", "photos", "--data-dir", "mnist"),
    ),
    Provocation(
        "DataError",
        "the file of --classes is not there",
        "Write a text file with one class name a line, in the order of the model's outputs.",
        loading(classes=Path("classes.txt")),
    ),
    Provocation(
        "DataError",
        "the file of --classes is in another encoding, or is no text",
        'Choose the encoding "UTF-8" where you save it.',
        loading(write("classes.txt", b"\xff\xfe"), classes=Path("classes.txt")),
    ),
    Provocation(
        "DataError",
        "the file of --classes repeats a name, or has only one",
        "Give every class a name of its own.",
        loading(write("classes.txt", "cat\ndog\ncat\n"), classes=Path("classes.txt")),
    ),
    Provocation(
        "DataError",
        "Fashion-MNIST is not on this machine, or --data-dir names another folder",
        "Install it by the command that the message names, or name the folder of its files.",
        training("samples", "--data-dir", "mnist"),
    ),
    Provocation(
        "DataError",
        "the files in a usual place are not those of Fashion-MNIST",
        "Get them again; if you mean other data, name their folder with --data-dir.",
        calling(broken_download),
    ),
    Provocation(
        "DataError",
        "a download of a data set broke off",
        "Download it once more; what broke off is not whole.",
        training(
            "samples",
            *("--data-dir", "mnist"),
            prepare=mnist(train_images_idx3_ubyte=gzip.compress(idx(0x0803, 4, 28, 28), mtime=0)[:-9]),
        ),
    ),
    Provocation(
        "DataError",
        "a file of a data set is empty",
        "Download it once more; what broke off is not whole.",
        training("samples", "--data-dir", "mnist", prepare=mnist(train_labels_idx1_ubyte=b"")),
    ),
    Provocation(
        "DataError",
        "a file of a data set is of another kind than its name says",
        "Give the files of images and of labels their own names.",
        training("samples", "--data-dir", "mnist", prepare=mnist(train_labels_idx1_ubyte=idx(0x0803, 4, 1, 1))),
    ),
    Provocation(
        "DataError",
        "a file of a data set is not whole",
        "Download it once more; what broke off is not whole.",
        training("samples", "--data-dir", "mnist", prepare=mnist(train_labels_idx1_ubyte=idx(0x0801, 4)[:-1])),
    ),
    Provocation(
        "DataError",
        "a data set has another number of labels than of images",
        "Get both files anew, from one place.",
        training("samples", "--data-dir", "mnist", prepare=mnist(labels=3)),
    ),
    Provocation(
        "DataError",
        "a data set has more classes than --classes names",
        "Name every class, in the order of the labels, which begin at 0.",
        loading(both(mnist(value=2), write("classes.txt", "cat\ndog\n")), data_dir=Path("mnist"), classes=Path("classes.txt")),
    ),
    Provocation(
        "DataError",
        "the images of --data-dir have another size than the model takes",
        "Name the artifact that was made of these data.",
        training(
            *("report", "--out", "pages", "--data-dir", "mnist", "--artifact", "artifact"),
            prepare=both(mnist(side=8), lambda: shutil.copytree(BUNDLED_ARTIFACT, "artifact")),
        ),
    ),
    Provocation(
        "DataError",
        "there are too few images to learn from",
        "Take more of them; ten are the least.",
        calling(few),
    ),
    Provocation(
        "DataError",
        "each class has one photo to learn from",
        "Take more photos of each class.",
        calling(lambda _: list(divide(np.arange(3), 2))),
    ),
    Provocation(
        "DataError",
        "--out holds the pictures of an earlier trial",
        "Name another --out, or delete that one.",
        training("trial", "--images", "photos", "--out", "trial", prepare=both(photos("Coat"), write("trial/pictures/a.png"))),
    ),
    Provocation(
        "DataError",
        "the folder of --others holds no folder of pictures, or an empty one",
        "Put the pictures into folders, one for each kind of them.",
        training(
            *("trial", "--images", "photos", "--out", "trial", "--others", "others"),
            prepare=both(photos("Coat"), lambda: Path("others/cats").mkdir(parents=True)),
        ),
    ),
    Provocation(
        "TrainingError",
        "--artifact names a folder without a model",
        "Name the folder that `fit`, `export` or `adopt` wrote, which holds manifest.json and model.tflite.",
        training("report", "--out", "pages", "--artifact", "nowhere"),
    ),
    Provocation(
        "TrainingError",
        "the model of --teacher has other classes, or takes images of another size",
        "Name an artifact that was made of the same data.",
        calling(other_teacher),
    ),
    Provocation(
        "RunError",
        "the folder of --run was written by another version, or is damaged",
        "Export with the version that trained it, or delete the folder and train again.",
        calling(old_run),
    ),
    Provocation(
        "ExportError",
        "the model file is not there, or its name is misspelt",
        "Give the path of the file that Keras saved, such as my.keras.",
        training("adopt", "my.keras", *ADOPT),
    ),
    Provocation(
        "ExportError",
        "the model file is empty",
        "Copy it again, or save the model again.",
        training("adopt", "my.keras", *ADOPT, prepare=write("my.keras")),
    ),
    Provocation(
        "ExportError",
        "the model was saved as HDF5",
        "Save it as .keras, as the message shows.",
        training("adopt", "my.h5", *ADOPT, prepare=write("my.h5", b"\x89HDF\r\n\x1a\n")),
    ),
    Provocation(
        "ExportError",
        "the model was saved as a folder, TensorFlow's SavedModel",
        "Save it as .keras, as the message shows.",
        training("adopt", "model", *ADOPT, prepare=write("model/saved_model.pb")),
    ),
    Provocation(
        "ExportError",
        "the model is one of PyTorch",
        "Build it anew in Keras, as the message shows.",
        training("adopt", "model.pt", *ADOPT, prepare=write("model.pt", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.")),
    ),
    Provocation(
        "ExportError",
        "the model is an ONNX file",
        "Convert it to Keras, as the message shows.",
        training("adopt", "model.onnx", *ADOPT, prepare=write("model.onnx", b"\x08\x07")),
    ),
    Provocation(
        "ExportError",
        "the model is a LiteRT file already",
        "Give the .keras file that it was made of.",
        training("adopt", "model.tflite", *ADOPT, prepare=write("model.tflite", b"\x1c\0\0\0TFL3")),
    ),
    Provocation(
        "ExportError",
        "the model file is a pointer of Git LFS",
        "Fetch the file itself, by `git lfs pull`.",
        training("adopt", "my.keras", *ADOPT, prepare=write("my.keras", "version https://git-lfs.github.com/spec/v1\n")),
    ),
    Provocation(
        "PictureError",
        "`convert` was given a picture that is not there",
        "Name a picture that is there, or a folder of them.",
        calling(lambda _: read_picture(Path("coat.jpg"))),
    ),
    Provocation(
        "PictureError",
        "`convert` was given a folder without pictures",
        "Name a folder with pictures in it.",
        calling(lambda _: (Path("photos").mkdir(), read_picture(Path("photos")))),
    ),
    Provocation(
        "PictureError",
        "`convert` was given a file that is no picture",
        "Convert it to PNG or JPEG, or leave it out.",
        calling(lambda _: (write("notes.txt", "to do")(), read_picture(Path("notes.txt")))),
    ),
    Provocation(
        "PictureError",
        "`convert` was given a file that is too large",
        "Scale the picture down.",
        calling(lambda _: (write("coat.png")(), _extend("coat.png"), read_picture(Path("coat.png")))),
    ),
    Provocation(
        "BadParameter",
        "`convert` was given nothing to show",
        "Name pictures or folders, or add --garments.",
        training("convert", "--out", "pages"),
    ),
    Provocation(
        "BadParameter",
        "--write was given without --artifact",
        "Name the artifact that the figures are written into.",
        training("trial", "--out", "trial", "--write"),
    ),
    Provocation(
        "BadParameter",
        "the learning rate is not above 0",
        "Give a number such as 0.01, or leave it out.",
        training("fit", "--learning-rate", "0"),
    ),
    Provocation(
        "BadParameter",
        "the share of changed images is above 1",
        "Give a share from 0 to 1, such as 0.4 for 40%.",
        training("fit", "--changed", "40"),
    ),
    Provocation(
        "BadParameter",
        "--frozen was given without a pretrained network",
        "Add --images, and leave --backbone out; or leave --frozen out.",
        training("fit", "--frozen"),
    ),
    Provocation(
        "BadParameter",
        "an option of networks that start from nothing was given together with a pretrained one",
        "Leave one of the two out.",
        training("fit", "--images", "photos", "--backbone", "efficientnet-lite0", "--epochs", "3"),
    ),
    Provocation(
        "BadParameter",
        "a pretrained network was named without --images",
        "Add --images.",
        training("fit", "--backbone", "efficientnet-lite0"),
    ),
    Provocation(
        "BadParameter",
        "photos were given without --out",
        "Name the folder of the artifact with --out.",
        training("fit", "--images", "photos"),
    ),
    Provocation(
        "BadParameter",
        "the recipe of the clothes was given --frozen without another --out",
        "Name another --out, so that what ships stays as it is.",
        calling(lambda _: clothes_photos.main(Path("photos"), frozen=True)),
    ),
    Provocation(
        "BadParameter",
        "the recipe of the clothes was given a folder that is not the publisher's",
        "Clone the publisher's repository, as the recipe says, and name its folder.",
        calling(lambda _: clothes_photos.main(Path("photos"), Path("work"), Path("artifact"))),
    ),
)


def _extend(path: str) -> None:
    with Path(path).open("r+b") as file:
        file.truncate(2**31)
