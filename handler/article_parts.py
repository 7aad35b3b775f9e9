"""Finds the connected parts of a mask, and keeps the large ones. Pure, and in bounded time whatever the mask."""

from __future__ import annotations

import numpy as np
import PIL.Image
import PIL.ImageChops
import PIL.ImageFilter

_SIDE = 112  # cells along the longer edge in which parts are told apart, so that noise costs milliseconds at most
_FILLED = 64  # the mean from which on a cell belongs to a part: a quarter of 255
_LARGE = 0.1  # the share of the largest part that a part must have: a pair of shoes is two parts, and so are some sandals


def large_parts(mask: PIL.Image.Image) -> PIL.Image.Image:
    """Returns the mask, of 0 and 255, without the parts that are smaller than a tenth of the largest one."""
    cells = np.asarray(mask.reduce(-(-max(mask.size) // _SIDE))) >= _FILLED
    if not cells.any():
        return mask
    kept = PIL.Image.fromarray(_large(cells).astype(np.uint8) * 255)
    # One more cell around each part, whose own cells at the outline may be nearly empty.
    return PIL.ImageChops.darker(
        mask, kept.filter(PIL.ImageFilter.MaxFilter(3)).resize(mask.size, PIL.Image.Resampling.NEAREST)
    )


def _large(cells: np.ndarray) -> np.ndarray:
    rows, starts, ends = _runs(cells)
    roots = _joined(rows.tolist(), starts.tolist(), ends.tolist())
    sizes = np.bincount(roots, ends - starts)
    kept = np.zeros(cells.shape, bool)
    for run in np.flatnonzero(sizes[roots] >= _LARGE * sizes.max()).tolist():
        kept[rows[run], starts[run] : ends[run]] = True
    return kept


def _runs(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the row, the first column and the column after the last one of every unbroken run of cells, row by row."""
    edges = np.diff(np.pad(cells, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    return rows, starts, np.nonzero(edges == -1)[1]


def _joined(rows: list[int], starts: list[int], ends: list[int]) -> list[int]:
    """Returns a number for each run that all runs of its part share."""
    parent = list(range(len(rows)))

    def root(run: int) -> int:
        while parent[run] != run:
            parent[run] = parent[parent[run]]
            run = parent[run]
        return run

    above = 0
    for run, (row, start, end) in enumerate(zip(rows, starts, ends, strict=True)):
        while rows[above] < row - 1 or (rows[above] == row - 1 and ends[above] <= start):
            above += 1
        touching = above
        while rows[touching] == row - 1 and starts[touching] < end:
            parent[root(touching)] = root(run)
            touching += 1
    return [root(run) for run in range(len(rows))]
