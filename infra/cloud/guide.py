"""Says how to use a running embedded cloud: by the AWS CLI, boto3, a backlog, `coatcheck redrive`, and `sam local invoke`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from infra.cloud.embedded import Cloud
from infra.cloud.sam_local import FUNCTION
from infra.paths import IMAGES, SAM

SAMPLE = IMAGES / "coat-0.png"
SAM_KEY = "uploads/sam-local.png"  # of the object that is left to `sam local invoke`


def uploads(cloud: Cloud) -> str:
    """Returns the names of the cloud's places, and lines that upload a sample, start a backlog and send dead letters back."""
    settings = {name: value for name, value in cloud.environment.items() if name.startswith("AWS_")}
    exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in settings.items())
    names = {"endpoint_url": "AWS_ENDPOINT_URL", "region_name": "AWS_DEFAULT_REGION"}
    names |= {"aws_access_key_id": "AWS_ACCESS_KEY_ID", "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY"}
    arguments = ", ".join(f"{argument}={_python(settings[name])}" for argument, name in names.items())
    return f"""S3, SQS and Step Functions listen at {settings["AWS_ENDPOINT_URL"]}, and the function is attached.

  input        s3://{cloud.input_bucket}/uploads/
  documents    {cloud.environment["OUTPUT_URI"]}
  queue        {cloud.queue_url}
  dead letters {cloud.dead_letter_url}

Upload with the AWS CLI:

    export {exports}
    aws s3 cp {shlex.quote(str(SAMPLE))} s3://{cloud.input_bucket}/uploads/coat-0.png

or with boto3:

    import boto3
    s3 = boto3.client("s3", {arguments})
    s3.upload_file({_python(str(SAMPLE))}, {_python(cloud.input_bucket)}, "uploads/coat-0.png")

Score what is there as a backlog, where the same variables are exported. The first line has uploads left to it, which are
scored as they come otherwise:

    aws s3api put-bucket-notification-configuration --bucket {cloud.input_bucket} --notification-configuration '{{}}'
    coatcheck backlog s3://{cloud.input_bucket}/uploads/

Look at the dead letters with the same variables, and send them back by the same line without its last word:

    coatcheck redrive --dry-run
"""


def invocation(cloud: Cloud, template: Path, event: Path, architecture: str) -> str:
    """Writes `event`, which names the object `SAM_KEY`, and returns the line that has a container score that object.

    The variables stand in the template, since the SAM CLI drops those of `--env-vars` that the template does not name; those
    before the line keep the user's own AWS settings from taking their place.
    """
    event.parent.mkdir(parents=True, exist_ok=True)
    event.write_text(json.dumps({"objects": [f"s3://{cloud.input_bucket}/{SAM_KEY}"]}))
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
    variables = [f"{name}={cloud.environment[name]}" for name in names]
    command = [
        *("env", "-u", "AWS_PROFILE", "-u", "AWS_SESSION_TOKEN", "-u", "AWS_ENDPOINT_URL", "-u", "AWS_REGION", *variables),
        *(str(SAM), "local", "invoke", FUNCTION, "--template", str(template), "--event", str(event.resolve())),
        *("--skip-pull-image", "--parameter-overrides", f"Architecture={architecture}"),
    ]
    return f"""Score s3://{cloud.input_bucket}/{SAM_KEY}, which the attached function was not told of, in Lambda's image:

    {shlex.join(command)}
"""


def _python(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
