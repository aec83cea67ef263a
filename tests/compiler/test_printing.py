"""What `dfc` prints is what it reads: text of every level, and the same program behind it."""

import pytest
import torch
from torch import Tensor, nn
from xdsl.dialects.builtin import ModuleOp

import dfc
from dfc.driver import new_context, parse_module
from dfc.pipelines import LEVELS
from dfc.printing import to_text
from dfc.program import Program
from dfc.storage import generic

MATMUL = """
func.func @f(%a: tensor<4x8xTYPE>, %b: tensor<8x2xTYPE>, %c: tensor<4x2xf32>) -> tensor<4x2xf32> {
  %y = "linalg.matmul"(%a, %b, %c) <{operandSegmentSizes = array<i32: 2, 1>}> ({
  ^bb0(%p: TYPE, %q: TYPE, %s: f32):
    BODY
    %m = arith.mulf %u, %v : f32
    %t = arith.addf %m, %s : f32
    linalg.yield %t : f32
  }) : (tensor<4x8xTYPE>, tensor<8x2xTYPE>, tensor<4x2xf32>) -> tensor<4x2xf32>
  func.return %y : tensor<4x2xf32>
}
"""
WIDEN = "%u = arith.extf %p : TYPE to f32\n    %v = arith.extf %q : TYPE to f32"
ARG_MAX = """
#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
func.func @f(%x: tensor<4x8xf32>, %a: tensor<4xf32>, %b: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %y, %z = "linalg.generic"(%x, %a, %b) <{indexing_maps = [#id, #row, #row], iterator_types = [#linalg.iterator_type<parallel>, #linalg.iterator_type<reduction>], operandSegmentSizes = array<i32: 1, 2>}> ({
  ^bb0(%p: f32, %q: f32, %r: f32):
    %m = arith.maximumf %p, %q : f32
    %n = arith.addf %p, %r : f32
    linalg.yield %m, %n : f32, f32
  }) : (tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  func.return %y, %z : tensor<4xf32>, tensor<4xf32>
}
"""


def read(text: str) -> ModuleOp:
    """The verified module of a text."""
    return parse_module(text, new_context())


def test_a_product_that_widens_keeps_its_body():
    module = read(MATMUL.replace("BODY", WIDEN).replace("TYPE", "bf16"))
    text = to_text(module)
    assert '"linalg.matmul"' in text
    assert "arith.extf" in text
    assert generic(read(text)) == generic(module)


def test_a_product_with_the_body_that_its_types_say_is_short():
    plain = MATMUL.replace("BODY\n", "").replace("%u, %v", "%p, %q")
    module = read(plain.replace("TYPE", "f32"))
    text = to_text(module)
    assert "linalg.matmul ins(" in text
    assert "arith" not in text
    assert read(text).is_structurally_equivalent(module)


def test_several_results_are_read_back():
    module = read(ARG_MAX)
    assert generic(read(to_text(module))) == generic(module)


class Several(nn.Module):
    """A product, a norm, and the largest element of each row with its place."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.norm = nn.Linear(32, 32), nn.LayerNorm(32)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The product of the normed rows, and their maxima."""
        y = self.norm(self.a(x))
        value, place = y.max(dim=-1)
        return y @ y.T, value, place


@pytest.fixture(scope="module", params=[torch.bfloat16, torch.float16], ids=str)
def program(request: pytest.FixtureRequest) -> Program:
    """A small model in half precision."""
    dtype = request.param
    return dfc.compile(Several().to(dtype), (torch.randn(8, 32, dtype=dtype),))


@pytest.mark.parametrize("level", LEVELS)
def test_the_text_of_every_level_is_read_back(program: Program, level: str):
    text = program.ir(level)
    made = read(text)
    assert to_text(made) == text
    assert [op.name for op in made.walk()] == [
        op.name for op in program.module(level).walk()
    ]
