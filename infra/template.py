"""Reads a CloudFormation template: YAML with CloudFormation's short forms, such as `!Ref`. `make check` judges what it says."""

from __future__ import annotations

from typing import Any

import yaml

try:
    from yaml import CSafeLoader as SafeLoader  # ten times as fast, and in all packages of PyYAML that are built for a platform
except ImportError:
    from yaml import SafeLoader  # type: ignore[assignment]


class _Loader(SafeLoader):
    """YAML's safe loader, to which the short forms are added below."""


def read_template(text: str) -> dict[str, Any]:
    """Returns the template with every short form spelt out, as JSON has it: `!Ref X` is `{"Ref": "X"}`.

    Raises:
        yaml.YAMLError: it is no YAML.
    """
    template: dict[str, Any] = yaml.load(text, _Loader)  # noqa: S506 - a safe loader by its base class
    return template


def _spell_out(loader: _Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    """Returns what the short form `!name` stands for."""
    value: Any = None
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name if name in {"Ref", "Condition"} else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _spell_out)
