"""Prints the main figures of an artifact after its export."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from handler.contract import Manifest
from training.export.card import name_threshold


def print_summary(manifest: Manifest, out: Path) -> None:
    """Prints the figures of the manifest as a table, and the artifact's folder `out`."""
    metrics, before, in_float = manifest.metrics, manifest.metrics_before_scaling, manifest.metrics_in_float
    table = Table("figure", "value", title=f"{manifest.name} {manifest.version}, through the LiteRT file")
    if metrics and before and in_float:
        table.add_row("test accuracy", f"{metrics.accuracy:.2%} of {metrics.images:,} images")
        table.add_row("the same in float", f"{in_float.accuracy:.2%}, {manifest.agreement_with_float:.2%} the same predictions")
        table.add_row(
            "negative log-likelihood",
            f"{metrics.negative_log_likelihood:.4f} nats ({before.negative_log_likelihood:.4f} before)",
        )
        table.add_row(
            "expected calibration error",
            f"{metrics.expected_calibration_error:.4f} ({before.expected_calibration_error:.4f} before)",
        )
        table.add_row("unsure below", name_threshold(manifest) or "no threshold")
    else:
        table.add_row("test accuracy", "not measured, for want of --calibrate")
    table.add_row("temperature", f"{manifest.temperature:.3f}")
    table.add_row(
        "model file", f"{manifest.model.size_bytes / 2**20:.2f} MiB, weights quantised: {manifest.model.quantisation}"
    )
    Console().print(table)
    Console().print(f"artifact: {out}", soft_wrap=True)
