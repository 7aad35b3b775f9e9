"""Evaluates the parts of a template as CloudFormation does: conditions, rules and the functions that build texts and lists.

What only a deployment can name is named after its resource. `tests/test_deployment.py` holds this to moto's
CloudFormation.
"""

import re

PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::AccountId": "123456789012",
    "AWS::StackName": "coatcheck",
}
NOTHING = {"Ref": "AWS::NoValue"}


class Evaluator:
    """A template together with the values of its parameters."""

    def __init__(self, template, parameters):
        defaults = {name: parameter.get("Default", "") for name, parameter in template["Parameters"].items()}
        unknown = set(parameters) - set(defaults)
        assert not unknown, f"the template has no parameters {unknown}"
        self._values = PSEUDO | defaults | parameters
        self._template = template

    def holds(self, condition):
        """Whether a condition, by name or as an expression, is true."""
        if isinstance(condition, str):
            return self.holds(self._template["Conditions"][condition])
        ((function, operands),) = condition.items()
        match function:
            case "Condition":
                return self.holds(operands)
            case "Fn::Not":
                return not self.holds(operands[0])
            case "Fn::And":
                return all(self.holds(each) for each in operands)
            case "Fn::Or":
                return any(self.holds(each) for each in operands)
        assert function == "Fn::Equals", function
        first, second = (self.value(each) for each in operands)
        return first == second

    def value(self, node):
        """The value of an expression, without what a condition leaves out."""
        if isinstance(node, list):
            return [self.value(item) for item in node if self._chosen(item) != NOTHING]
        if not isinstance(node, dict):
            return node
        node = self._chosen(node)
        if isinstance(node, dict) and len(node) == 1:
            ((function, operand),) = node.items()
            if function == "Ref" or function.startswith("Fn::"):
                return self._apply(function, operand)
        if not isinstance(node, dict):
            return self.value(node)
        return {name: self.value(item) for name, item in node.items() if self._chosen(item) != NOTHING}

    def decided(self, node):
        """The same expression with each condition decided, and nothing else evaluated."""
        node = self._chosen(node)
        if isinstance(node, list):
            return [self.decided(item) for item in node if self._chosen(item) != NOTHING]
        if isinstance(node, dict):
            return {name: self.decided(item) for name, item in node.items() if self._chosen(item) != NOTHING}
        return node

    def broken_rules(self):
        """What CloudFormation says of the parameters before it makes anything: nothing if no rule is broken."""
        return [
            assertion["AssertDescription"]
            for rule in self._template["Rules"].values()
            if self.holds(rule["RuleCondition"])
            for assertion in rule["Assertions"]
            if not self.holds(assertion["Assert"])
        ]

    def _chosen(self, node):
        while isinstance(node, dict) and set(node) == {"Fn::If"}:
            condition, there, otherwise = node["Fn::If"]
            node = there if self.holds(condition) else otherwise
        return node

    def _apply(self, function, operand):  # noqa: PLR0911  # one for each intrinsic function
        match function:
            case "Ref":
                return self._values.get(operand, f"coatcheck-{operand}")
            case "Fn::GetAtt":
                is_queue = self._template["Resources"][operand[0]]["Type"] == "AWS::SQS::Queue" and operand[1] == "Arn"
                return f"arn:aws:sqs:us-east-1:123456789012:coatcheck-{operand[0]}*" if is_queue else ".".join(operand)
            case "Fn::Sub" if isinstance(operand, str):
                return self._substitute(operand, {})
            case "Fn::Sub":
                return self._substitute(operand[0], {name: self.value(each) for name, each in operand[1].items()})
            case "Fn::Select":
                return self.value(operand[1])[int(operand[0])]
            case "Fn::Split":
                return self.value(operand[1]).split(operand[0])
            case "Fn::Join":
                return operand[0].join(self.value(operand[1]))
        raise NotImplementedError(function)

    def _substitute(self, text, names):
        return re.sub(r"\$\{([\w:]+)\}", lambda match: (names | self._values).get(match[1], f"coatcheck-{match[1]}"), text)
