"""Writes the dashboard and the alarm on drift as resources of template.yaml, between two marks. Pure.

The body is JSON inside YAML, so that CloudFormation can put the names of the stack's resources into it.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from handler.contract import MANIFEST_FILE, Manifest, parse_manifest
from infra.cost.prices import load_prices
from infra.dashboard.definition import Dashboard, Stack, class_metrics, make_dashboard
from infra.dashboard.drift import ACT, MIN_PREDICTIONS, count_all, index_of, training_mix
from infra.dashboard.graphs import DAY_S, Placed
from infra.errors import InfraError
from infra.template import read_template

BEGIN = "  # Dashboard. This and the alarm on drift are written by `python -m infra.dashboard`.\n"
END = "  # The end of what `python -m infra.dashboard` writes.\n"

ALARM_TEXT = (
    "The classes of a day's predictions are mixed otherwise than those of the training: the population stability index is "
    f"above {ACT:g}. On the dashboard, look which classes became more or fewer, and whether more images are unfamiliar; look "
    'at some of the day\'s images with their predictions, by "coatcheck sheet". If other things are photographed now and the '
    "predictions are right, nothing is wrong. If the pictures changed, such as by a camera, its light or a conversion, undo "
    'that, or label some, measure the model on them by "coatcheck evaluate", and train it on such images.'
)


def read_mix(artifact: Path) -> dict[str, float]:
    """Returns the training mix of the artifact in a folder.

    Raises:
        WrongUse: there is no index of drift for this artifact.
    """
    manifest: Manifest = parse_manifest((artifact / MANIFEST_FILE).read_bytes())
    return training_mix(manifest)


def read_stack(template: str) -> Stack:
    """Returns what the graphs must know of the stack that a template deploys, with the prices that ship."""
    resources = read_template(template)["Resources"]
    memory_mb = int(resources["ScoringFunction"]["Properties"]["MemorySize"])
    return Stack(memory_mb, int(resources["WaitingUploadsAlarm"]["Properties"]["Threshold"]), load_prices())


def render(stack: Stack, mix: Mapping[str, float]) -> str:
    """Returns the resources of the template for a stack whose bundled model was trained on this mix of classes."""
    escaped = {name.replace("${", "${!"): share for name, share in mix.items()}  # CloudFormation makes ${ of ${!
    return _render_dashboard(make_dashboard(stack, escaped)) + _render_alarm(mix)


def rewrite(template: str, resources: str) -> str:
    """Returns the template with these resources between the marks.

    Raises:
        InfraError: the template does not have both marks.
    """
    pattern = re.compile(re.escape(BEGIN) + ".*" + re.escape(END), re.DOTALL)
    rewritten, count = pattern.subn(lambda _: BEGIN + resources + END, template)
    if not count:
        raise InfraError(f"Expected a template with the lines {BEGIN.strip()!r} and {END.strip()!r}. Received: one without.")
    return rewritten


def _render_dashboard(dashboard: Dashboard) -> str:
    body = '{"start":"-P7D","periodOverride":"inherit","widgets":[\n' + _widgets(dashboard.always) + ",\n${OfTheModel}\n]}"
    return f"""\
  ScoringDashboard:
    Type: AWS::CloudWatch::Dashboard
    Condition: HasDashboard
    Properties: # without a name of its own, since the name of a dashboard is one for all regions
      DashboardBody: !Sub
        - |-
{_indented(body, 10)}
        - Uploads: !GetAtt UploadQueue.QueueName
          DeadLetters: !GetAtt DeadLetterQueue.QueueName
          OfTheModel: !If
            - HasModel
            - !Sub |-
{_indented(_widgets(dashboard.other), 14)}
            - !Sub |-
{_indented(_widgets(dashboard.bundled), 14)}
"""


def _render_alarm(mix: Mapping[str, float]) -> str:
    metrics = class_metrics(mix)
    ids = [metric.id for metric in metrics]
    classes = "".join(
        f"""\
        - Id: {metric.id}
          ReturnData: false
          MetricStat:
            Metric:
              Namespace: {metric.namespace}
              MetricName: {metric.name}
              Dimensions:
                - {{Name: class_name, Value: {json.dumps(dict(metric.dimensions)["class_name"])}}}
                - {{Name: function_name, Value: !Ref ScoringFunction}}
                - {{Name: service, Value: {dict(metric.dimensions)["service"]}}}
            Period: {DAY_S}
            Stat: {metric.stat}
"""
        for metric in metrics
    )
    return f"""\
  DriftAlarm:
    Type: AWS::CloudWatch::Alarm
    Condition: HasDriftAlarm
    Properties:
      AlarmDescription: >-
{_indented(textwrap.fill(ALARM_TEXT, 120), 8)}
      Metrics: # of a day with {MIN_PREDICTIONS} predictions or more
{classes}        - Id: all
          ReturnData: false
          Expression: {count_all(ids)}
        - Id: index
          ReturnData: true
          Expression: >-
{_indented(index_of(ids, list(mix.values()), "all"), 12)}
      EvaluationPeriods: 1
      ComparisonOperator: GreaterThanThreshold
      Threshold: {ACT:g}
      TreatMissingData: notBreaching
      AlarmActions: [!Ref AlarmTopic]
"""


def _widgets(placed: Sequence[Placed]) -> str:
    return ",\n".join(_widget(each.as_widget()) for each in placed)


def _widget(widget: dict[str, Any]) -> str:
    """Returns a widget as JSON, with a line for each metric, so that a change of one can be read."""
    properties = dict(widget["properties"])
    rows = properties.pop("metrics", None)
    text = json.dumps({**widget, "properties": properties})
    if rows is None:
        return text
    lines = ",\n".join(f"  {json.dumps(row)}" for row in rows)
    return f'{text.removesuffix("}}")}, "metrics": [\n{lines}\n]}}}}'


def _indented(text: str, by: int) -> str:
    return "\n".join(" " * by + line for line in text.splitlines())
