"""Attaches the function to an embedded cloud, in this process: it finds the cloud by the variables that boto3 reads."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

from infra.cloud.embedded import Cloud

Function = Callable[[dict[str, Any], Any], object]


def attach(cloud: Cloud) -> Function:
    """Sets this process's variables to those of `cloud`, and returns the function, which then works on it, quietly.

    `clear_aws_environment` comes first, and MODEL_URI stays as it is. The function's log shows warnings alone, and no metrics.
    """
    os.environ.update(cloud.environment)
    os.environ["POWERTOOLS_METRICS_DISABLED"] = "true"
    from handler.app import lambda_handler  # late: boto3 and Powertools read the environment when they are imported

    logging.getLogger("coatcheck").setLevel(logging.WARNING)
    return lambda_handler
