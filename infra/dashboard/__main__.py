"""Writes the dashboard and the alarm on drift into template.yaml.

python -m infra.dashboard       after a change of the dashboard, of its prices, or of the artifact in handler/artifact
"""

from __future__ import annotations

from handler.model import BUNDLED_ARTIFACT
from infra.dashboard.rendering import read_mix, read_stack, render, rewrite
from infra.paths import TEMPLATE

if __name__ == "__main__":
    template = TEMPLATE.read_text(encoding="utf-8")
    TEMPLATE.write_text(rewrite(template, render(read_stack(template), read_mix(BUNDLED_ARTIFACT))), encoding="utf-8")
