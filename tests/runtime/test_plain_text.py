"""The fast text of IR says what the IR says."""

import pytest
from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Operation

from dfc.driver import new_context, parse_module
from dfc.runtime.mlir_text import ORIGIN
from dfc.runtime.plain_text import plain_text

TEXT = """
func.func private @f(%x: f32, %n: i64) -> (f32, f32) attributes {marked, "a b" = "c\\"d"} {
  %one = arith.constant 1.5 : f32
  %zero = arith.constant 0 : i64
  %step = arith.constant 1 : i64
  %a, %b = scf.for %i = %zero to %n step %step iter_args(%c = %x, %d = %one) -> (f32, f32) : i64 {
    %e = arith.addf %c, %d : f32
    scf.yield %d, %e : f32, f32
  }
  %more = arith.cmpi sgt, %n, %zero : i64
  scf.if %more {
    %v = arith.constant dense<[1, 2, 3, 4]> : vector<4xi32>
  }
  cf.cond_br %more, ^yes(%a : f32), ^no
^yes(%y: f32):
  func.return %y, %b : f32, f32
^no:
  func.return %a, %b : f32, f32
}
"""


def first(text: str) -> Operation:
    """The first op of a module."""
    op = parse_module(text, new_context()).body.block.first_op
    assert op is not None
    return op


def test_the_text_is_read_as_the_same_ir():
    op = first(TEXT)
    again = first(plain_text([op]))
    assert plain_text([again]) == plain_text([op])


def test_upstream_reads_it():
    from dfc.runtime.mlir import parse_mlir

    read = parse_mlir(plain_text([first(TEXT)]))
    assert "scf.for" in str(read)


def test_names_and_origins_do_not_count():
    op, other = first(TEXT), first(TEXT.replace("%a", "%other"))
    for inner in other.walk():
        inner.attributes[ORIGIN] = StringAttr("somewhere")
    assert plain_text([op]) == plain_text([other])


@pytest.mark.parametrize(
    ("old", "new"),
    [("1.5", "1.25"), ("sgt", "slt"), ("%d, %e", "%e, %d"), ("marked", "noted")],
)
def test_a_difference_shows(old: str, new: str):
    assert plain_text([first(TEXT)]) != plain_text([first(TEXT.replace(old, new))])
