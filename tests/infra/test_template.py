"""The reader of templates, held against cfn-lint's, which is too large for the demo."""

import json

import cfnlint.decode
import pytest

from infra.paths import TEMPLATE
from infra.template import read_template


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("!Ref X", {"Ref": "X"}),
        ("!Condition X", {"Condition": "X"}),
        ("!GetAtt Queue.Arn", {"Fn::GetAtt": ["Queue", "Arn"]}),
        ("!GetAtt [Queue, Arn]", {"Fn::GetAtt": ["Queue", "Arn"]}),
        ("!Sub ${X}/*", {"Fn::Sub": "${X}/*"}),
        ("!If [C, !Ref X, !Base64 {Ref: Y}]", {"Fn::If": ["C", {"Ref": "X"}, {"Fn::Base64": {"Ref": "Y"}}]}),
    ],
)
def test_a_short_form_is_spelt_out(text, expected):
    assert read_template(f"Value: {text}") == {"Value": expected}


def test_the_template_reads_as_cfn_lint_reads_it():
    text = TEMPLATE.read_text()

    assert read_template(text) == json.loads(json.dumps(cfnlint.decode.decode_str(text)[0]))
