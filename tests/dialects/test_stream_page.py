"""The attention graph of docs/dialects/stream.md is attention."""

import re
from pathlib import Path

import numpy as np
from xdsl.context import Context
from xdsl.parser import Parser
from xdsl.universe import Universe

from dfc.runtime.interpreter import run

PAGE = Path(__file__).parents[2] / "docs/dialects/stream.md"


def test_the_graph_of_the_page_is_attention():
    section = PAGE.read_text().partition("## Attention, element by element\n")[2]
    code = re.search(r"```mlir\n(.*?)```", section, re.DOTALL)
    assert code is not None
    context = Context()
    for name, load in Universe.get_multiverse().all_dialects.items():
        context.register_dialect(name, load)
    module = Parser(context, code[1]).parse_module()
    module.verify()
    rng = np.random.default_rng(0)
    q, k, v = (rng.standard_normal((4, 2)).astype(np.float32) for _ in range(3))
    (y,) = run(module, "attention", [q, k, v])
    weights = np.exp(q @ k.T)
    want = weights / weights.sum(1, keepdims=True) @ v
    np.testing.assert_allclose(y, want, rtol=1e-5)
