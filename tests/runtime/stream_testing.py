"""What tests of stream graphs share: types, and a graph run in all three ways."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.parser import Parser
from xdsl.universe import Universe

from dfc.runtime.interpreter import firing, run, stream


def parse(text: str) -> ModuleOp:
    """A module of one function `@f`."""
    context = Context()
    for name, load in Universe.get_multiverse().all_dialects.items():
        context.register_dialect(name, load)
    module = Parser(context, text).parse_module()
    module.verify()
    return module


def always(graph: Operation) -> bool:
    """In place of a condition."""
    return True


def results(module: ModuleOp, inputs: Sequence[Any]) -> list[Any]:
    """What a graph computes, the same over whole streams, firing by firing and token by token."""
    whole = run(module, "f", inputs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(firing, "ELEMENTS", 1)
        one_by_one = run(module, "f", inputs)
        patch.setattr(stream, "has_cycle", always)
        tokens = run(module, "f", inputs)
    for a, b, c in zip(whole, one_by_one, tokens, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
    return list(whole)


def cell(rows: int, columns: int, kind: str = "f32") -> str:
    """A stream of the elements of a matrix."""
    return f"!stream.stream<tensor<1x1x{kind}>, [{rows}, {columns}], affine_map<(i, j) -> (i, j)>>"


def row_of(rows: int) -> str:
    """A stream with a number for each row."""
    return f"!stream.stream<tensor<1x1xf32>, [{rows}], affine_map<(i) -> (i, 0)>>"
