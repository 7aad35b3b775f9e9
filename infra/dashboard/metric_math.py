"""Evaluates the part of CloudWatch's metric math that the dashboard uses, as its guide describes it. Pure.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html

A series is an array with one value for each period, NaN where there is none. Between two series, a missing value counts as 0 if
the other series has one; what is divided by 0 is left out.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from infra.errors import InfraError

Series = np.ndarray  # (periods,) float64
Value = Series | float

_OPERATORS: Mapping[type[ast.AST], Callable[..., np.ndarray]] = MappingProxyType(
    {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: operator.truediv,
        ast.GtE: operator.ge,
    }
)


def evaluate(expression: str, series: Mapping[str, Series], period_s: int) -> Series:
    """Returns the series that an expression makes of those that it names, which are of one length and of `period_s`.

    Raises:
        InfraError: the expression uses what this module does not know, or gives no series.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        value = _Evaluation(series, period_s).of(ast.parse(expression, mode="eval").body)
    if not isinstance(value, np.ndarray):
        raise InfraError(f"Expected an expression that gives a series. Received: {expression!r}, which gives a number.")
    return value


class _Evaluation:
    def __init__(self, series: Mapping[str, Series], period_s: int) -> None:
        self._series, self._period_s = series, period_s

    def of(self, node: ast.expr) -> Value:
        """Returns the value of a part of an expression."""
        match node:
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.Name(id=name):
                return self._series[name]
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _combined(_OPERATORS[type(op)], self.of(left), self.of(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _OPERATORS:
                return _combined(_OPERATORS[type(op)], self.of(left), self.of(right))
            case ast.Call(func=ast.Name(id=function), args=operands, keywords=[]):
                return self._call(function, *operands)
        raise InfraError(f"Expected metric math that is evaluated here. Received: {ast.unparse(node)}.")

    def _call(self, function: str, *operands: ast.expr) -> Value:
        match function, operands:
            case "PERIOD", [ast.Name()]:  # of a metric alone
                return float(self._period_s)
            case "LOG", [operand]:
                return _without_infinities(np.log(self.of(operand)))
            case "RUNNING_SUM", [operand]:
                values = np.asarray(self.of(operand))
                return np.where(np.isnan(values), np.nan, np.nancumsum(values))
            case "IF", [condition, then]:
                holds = np.asarray(self.of(condition))
                return np.where(np.isnan(holds) | (holds == 0), np.nan, self.of(then))
        raise InfraError(f"Expected a function of metric math that is evaluated here. Received: {function}.")


def _combined(operate: Callable[..., np.ndarray], left: Value, right: Value) -> Value:
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        nothing = np.isnan(left) & np.isnan(right)
        left, right = np.nan_to_num(left), np.nan_to_num(right)
    else:
        nothing = np.isnan(left) | np.isnan(right)
    if isinstance(left, float) and isinstance(right, float):
        return float(operate(left, right))
    return _without_infinities(np.where(nothing, np.nan, operate(left, right)))


def _without_infinities(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, np.nan)
