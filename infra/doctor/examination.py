"""Examines a whole deployment, from its settings to its dead letters.

coatcheck doctor --stack NAME --region REGION      a deployed stack
coatcheck doctor                                   the settings of this process's environment, on whatever cloud they name
coatcheck doctor --probe                           the same, and a small object is written there, and deleted again
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from handler.errors import BadArtifact, BadSettings, ScoringError
from handler.model import BUNDLED_ARTIFACT
from handler.settings import Settings, load_settings
from handler.storage import S3Storage
from infra.doctor.asking import Cloud
from infra.doctor.buckets import examine_access, examine_bucket
from infra.doctor.conditions import examine_conditions
from infra.doctor.deployment import Deployment
from infra.doctor.findings import Finding, ok, unknown, wrong
from infra.doctor.function import examine_function
from infra.doctor.queues import attributes_of, examine_queue
from infra.doctor.uploads import examine_uploads
from infra.locations import load_artifact
from infra.paths import TEMPLATE
from infra.template import read_template

_MODEL_LOAD_S = 60


def examine(cloud: Cloud, deployment: Deployment, *, is_probed: bool = False) -> Iterator[Finding]:
    """Yields everything that is found, in the order in which it is to be mended; with bad settings, these alone.

    Every call reads. With `is_probed`, a small object is written to the output and deleted again.
    """
    try:
        settings = load_settings(deployment.environ)
    except BadSettings as error:
        here = "correct it in the environment, or name a deployed stack with --stack"
        advice = here if deployment.function is None else "correct it under Environment of the function"
        for line in str(error).splitlines()[1:]:
            name, _, fault = line.removeprefix("- ").partition(": ")
            yield wrong(f"setting {name}", fault.rstrip("."), advice)
        yield unknown("everything else", "it needs settings that can be read")
        return
    yield ok("settings", f"every variable can be read; documents go to {settings.output}")
    yield _examine_model(cloud, settings, is_deployed=deployment.function is not None)
    prefixes = [*settings.inputs, settings.output]
    for bucket in dict.fromkeys(prefix.bucket for prefix in prefixes):
        yield from examine_bucket(cloud, bucket)
    yield from examine_conditions(cloud, settings.output, is_probed=is_probed)
    yield from _examine_flow(cloud, deployment, settings)
    for prefix in prefixes:
        yield from examine_access(cloud, prefix)


def _examine_flow(cloud: Cloud, deployment: Deployment, settings: Settings) -> Iterator[Finding]:
    """Yields what is found on the way from an upload to the function."""
    attributes = attributes_of(cloud, settings.queue_url) if settings.queue_url else None
    queue: Mapping[str, str] = attributes.value.get("Attributes", {}) if attributes else {}
    targets = frozenset(filter(None, (queue.get("QueueArn"), deployment.function)))
    for prefix in settings.inputs:
        yield examine_uploads(cloud, prefix, targets)
    if settings.queue_url and attributes:
        timeout_s = deployment.timeout_s or template_timeout_s()
        yield from examine_queue(cloud, settings.queue_url, timeout_s, attributes)
    else:
        yield unknown("queue", "QUEUE_URL is not set, so sweeps score in place and lists are rejected")
    yield from examine_function(cloud, deployment, queue)


def template_timeout_s() -> int:
    """Returns the function's timeout as the template has it, in seconds."""
    template: Mapping[str, dict[str, dict[str, int]]] = read_template(TEMPLATE.read_text())["Resources"]
    return template["ScoringFunction"]["Properties"]["Timeout"]


def _examine_model(cloud: Cloud, settings: Settings, *, is_deployed: bool) -> Finding:
    """Loads the model as the function does, which verifies its digest and its golden batch."""
    place, subject = settings.model or BUNDLED_ARTIFACT, f"model {settings.model or 'bundled'}"
    if isinstance(place, Path) and settings.model and is_deployed:
        return unknown(subject, "it lies in the function's package")
    try:
        model = load_artifact(place, lambda: S3Storage(cloud.client("s3")))
    except BadArtifact as error:
        return wrong(subject, " ".join(str(error).split()), "copy the artifact again, or name another in MODEL_URI")
    except ScoringError as error:
        return wrong(subject, " ".join(str(error).split()), "allow s3:GetObject on it, or name another in MODEL_URI")
    manifest = model.manifest
    digest = manifest.model.sha256[:12]
    return ok(subject, f"{manifest.name} {manifest.version}, sha256 {digest}…, as its manifest says; golden batch as expected")
