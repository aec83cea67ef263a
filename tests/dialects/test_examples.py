"""The examples of docs/dialects: those that state their inputs compute what they say."""

import ast
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.parser import Parser
from xdsl.universe import Universe

from dfc.runtime.interpreter import run

PAGES = Path(__file__).parents[2] / "docs/dialects"
GIVEN = re.compile(r"^// %(\w+): (\S+) = (.*)$", re.MULTILINE)
MADE = re.compile(r"^// %(\w+)(?:\[([\d, ]+)\])? = (.*?)(?:  .*)?$", re.MULTILINE)


def examples() -> list[Any]:
    """The code blocks of the dialects' pages that say what their inputs are."""
    found: list[Any] = []
    for page in sorted(PAGES.glob("*.md")):
        for section in page.read_text().split("\n## ")[1:]:
            name = section.partition("\n")[0].strip("`")
            for code in re.findall(r"```mlir\n(.*?)```", section, re.DOTALL):
                if GIVEN.search(code):
                    found.append(pytest.param(code, id=name))
    return found


def value_of(text: str, kind: str) -> Any:
    """An input: an integer for an index, else an array of the type's dtype (trits are int8)."""
    value = ast.literal_eval(text)
    if kind == "index":
        return value
    dtypes = {"f32>": np.float32, "i32>": np.int32, "i8>": np.int8}
    dtype = dtypes.get(kind.rpartition("x")[2].removeprefix("tensor<"), np.int8)
    return np.array(value, dtype)


def compute(code: str, names: list[str]) -> list[Any]:
    """The values that an example gives to some of its results."""
    given = GIVEN.findall(code)
    arguments = ", ".join(f"%{name}: {kind}" for name, kind, _ in given)
    context = Context()
    for name, load in Universe.get_multiverse().all_dialects.items():
        context.register_dialect(name, load)
    text = f"func.func @main({arguments}) {{\n{code}\nfunc.return\n}}"
    module = Parser(context, text).parse_module()
    main = next(op for op in module.ops if isinstance(op, FuncOp))
    block = main.body.block
    made = {value.name_hint: value for op in block.ops for value in op.results}
    results = [made[name] for name in names]
    assert block.last_op is not None
    block.erase_op(block.last_op)
    block.add_op(ReturnOp(*results))
    main.update_function_type()
    module.verify()
    return list(run(module, "main", [value_of(text, kind) for _, kind, text in given]))


@pytest.mark.parametrize("code", examples())
def test_example_computes_what_it_says(code: str):
    stated = MADE.findall(code)
    assert stated, "the example states no result"
    values = compute(code, [name for name, _, _ in stated])
    for (_, at, text), value in zip(stated, values, strict=True):
        found = np.asarray(value)[tuple(map(int, at.split(","))) if at else ()]
        want = np.array(ast.literal_eval(text))
        assert found.shape == want.shape
        np.testing.assert_allclose(found.astype(np.float64), want, rtol=1e-6)


def test_most_pages_have_examples_that_run():
    assert len(examples()) > 18
