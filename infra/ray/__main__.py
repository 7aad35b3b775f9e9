"""Scores files over a cluster of Ray, and writes the rows as a folder of Parquet. `docs/ray.md` tells more.

    .venv-ray/bin/python -m infra.ray ~/photos --out predictions

    files --read whole--> "path", "bytes" --map_batches: ObjectScorer--> rows --write_parquet--> predictions/*.parquet

The cluster is that of RAY_ADDRESS, or one of this machine's processes, which ends with the command. The exit status is 0, or 1
if something could not be read or written, or 2 for wrong use.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray tells its makers of every cluster, unless it is told not to

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.dataset as ds  # type: ignore[import-untyped]
import ray
from pyarrow.fs import FileSelector, FileSystem, FileType  # type: ignore[import-untyped]
from ray.data import ActorPoolStrategy
from ray.data.datasource import DefaultFileMetadataProvider, FileBasedDatasource

from infra.errors import InfraError, WrongUse
from infra.locations import expand_home, own_errors, parse_artifact, read_limits, read_manifest
from infra.printable import as_line
from infra.ray.scoring import ObjectScorer
from infra.score.walking import Unusable, walk
from infra.show.parquet import COMPRESSION

# Parts of a processor. Each worker that scores leaves some of its own to the tasks that read for it and write its rows: if the
# workers took whole ones, none would be left to read with, and the run would wait for ever.
SCORING_CPUS, MOVING_CPUS = 0.75, 0.25
MAX_RESTARTS = 2  # of a worker that a decoder has killed, with its batch; Ray's own number has no end


class Files(FileBasedDatasource):  # type: ignore[misc]  # Ray's types are not known here
    """Whole files, as `ray.data.read_binary_files` reads them, but their bytes as they lie.

    That function unpacks what is named `.gz`, `.bz2`, `.zst` and the like. Then the ETag and the size would be those of another
    object, and a damaged file would end the run instead of being a row.
    """

    def resolve_compression(self, path: str, open_args: dict[str, Any]) -> None:  # noqa: ARG002, D102  # Ray's signature
        return None

    def _read_stream(self, f: pa.NativeFile, path: str) -> Iterator[pa.Table]:  # noqa: ARG002
        yield pa.table({"bytes": pa.array([f.readall()], pa.large_binary())})  # more than 2 GiB fit into a large one

    def _rows_per_file(self) -> int:
        return 1


class Everything(DefaultFileMetadataProvider):  # type: ignore[misc]
    """Lists all files under a prefix; Ray's own listing passes over those whose names begin with a dot or an underscore."""

    def expand_paths(self, paths: list[str], filesystem: FileSystem, *_: Any, **__: Any) -> Iterator[tuple[str, int]]:
        """Yields the path and the size of each file among the paths and under them."""
        for found in filesystem.get_file_info(paths):
            is_folder = found.type is FileType.Directory
            inner = filesystem.get_file_info(FileSelector(found.path, recursive=True)) if is_folder else [found]
            yield from ((file.path, file.size) for file in inner if file.is_file)


def score(source: str, out: str, artifact: str | None, workers: int | None) -> int:
    """Scores a local folder, or a prefix of what Arrow can read, and returns the number of local files that cannot be objects.

    `out` must not be there yet, since a second run would add its rows to those of the first.

    Raises:
        WrongUse: the source or `out` cannot be what was meant, or the artifact is missing.
    """
    target = out if "://" in out else str(expand_home(out).resolve())
    _require_free(target)
    read_manifest(artifact)
    paths, above, unusable = _find(source, Path(target))
    warnings.filterwarnings("ignore", "`ray_remote_args` is deprecated")  # for max_restarts, which has no other place yet
    cluster = os.environ.get("RAY_ADDRESS", "local")  # Ray alone would join whatever cluster this machine began last
    ray.init(cluster, num_cpus=workers if cluster == "local" else None)
    files = Files(paths, include_paths=True, meta_provider=Everything())
    objects = ray.data.read_datasource(files, num_cpus=MOVING_CPUS)
    rows = objects.map_batches(
        ObjectScorer,
        fn_constructor_args=(parse_artifact(artifact), read_limits(), above),
        batch_format="pyarrow",
        batch_size=None,  # as they were read: up to 128 MiB, or one larger object
        compute=ActorPoolStrategy(size=workers or int(ray.cluster_resources()["CPU"])),
        num_cpus=SCORING_CPUS,
        max_restarts=MAX_RESTARTS,
        max_task_retries=MAX_RESTARTS,
    )
    rows.write_parquet(target, compression=COMPRESSION, ray_remote_args={"num_cpus": MOVING_CPUS})
    written = ds.dataset(target)
    rejected = written.count_rows(filter=pc.field("error").is_valid())
    sys.stdout.write(f"{written.count_rows():,} rows written, of which {rejected:,} are rejected: {out}\n")
    for found in unusable:
        sys.stderr.write(f"left out: {as_line(found.text)}: {as_line(found.reason)}\n")
    return len(unusable)


def _require_free(target: str) -> None:
    if _type_of(target) is not FileType.NotFound:
        raise WrongUse(f"Expected a new folder for --out. Received: {target}, which is there; name another or delete it.")


def _find(source: str, without: Path) -> tuple[list[str], str, list[Unusable]]:
    """Returns the paths to read, what precedes the bucket in them, and what in a folder cannot be an object, without links."""
    if "://" in source:
        if _type_of(source) is not FileType.Directory:
            raise WrongUse(f"Expected an address under which there is something, s3://bucket/prefix/. Received: {source!r}.")
        return [source], "", []
    folder = expand_home(source).resolve()
    if not folder.is_dir() or not folder.name:
        raise WrongUse(f"Expected a folder with a name, or an address such as s3://bucket/prefix/. Received: {source!r}.")
    found = list(walk(folder, without))
    paths = [str(folder / key) for key in found if isinstance(key, str)]
    if not paths:
        raise WrongUse(f"Expected a folder with files in it. Received: {folder}, which holds none.")
    return paths, str(folder.parent / "_")[:-1], [it for it in found if isinstance(it, Unusable) and not it.is_link]


def _type_of(address: str) -> FileType:
    system, path = FileSystem.from_uri(address)
    return system.get_file_info(path).type


def main() -> int:
    """Runs the command, and returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.ray", description="Scores files over a cluster of Ray.")
    parser.add_argument("source", metavar="FOLDER|s3://…", help="what to score, with its subfolders")
    parser.add_argument("--out", default="predictions", metavar="DIR|s3://…", help="where the Parquet belongs")
    parser.add_argument("--artifact", help="the model: a folder, s3://bucket/prefix/, or the name of one that ships")
    parser.add_argument("--workers", type=int, help="processes that score at the same time; one a processor of the cluster")
    asked = parser.parse_args()
    try:
        with own_errors():
            return min(1, score(asked.source, asked.out, asked.artifact, asked.workers))
    except (InfraError, OSError) as error:
        sys.stderr.write(f"error: {as_line(str(error))}\n")
        return 2 if isinstance(error, WrongUse) else 1


if __name__ == "__main__":
    sys.exit(main())
