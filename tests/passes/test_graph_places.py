"""What only a unit that holds a graph as a whole can run is refused on units that take turns."""

import pytest
from pass_testing import apply_to_clone, parse
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from dfc.passes.convert_stream_to_accel import ConvertStreamToAccelPass
from dfc.passes.place_buffers import PlaceBuffersPass
from dfc.passes.verify_placement import VerifyPlacementPass

ROW = "!stream.stream<tensor<1x4xf32>, [8], affine_map<(d0) -> (d0, 0)>>"
TILED = f"""
builtin.module attributes {{accel.target = "tiny-npu"}} {{
func.func @main(%x: tensor<8x4xf32>) -> tensor<8x4xf32> {{
  %y = accel.kernel "k" ins(%x : tensor<8x4xf32>) -> (tensor<8x4xf32>) {{
  ^bb0(%a: tensor<8x4xf32>):
    %r = stream.graph HEAD -> tensor<8x4xf32> {{
      %s = stream.read %a : tensor<8x4xf32> -> {ROW}
      %t = stream.NODE
      %w = stream.write %t : {ROW} -> tensor<8x4xf32>
      stream.yield %w : tensor<8x4xf32>
    }}
    accel.yield %r : tensor<8x4xf32>
  }}
  func.return %y : tensor<8x4xf32>
}}
}}
"""
BUFFER = 'memref<8x4xf32, "ddr">'
PLACED = f"""
builtin.module attributes {{accel.target = "tiny-npu"}} {{
func.func @main(%x: {BUFFER}) -> {BUFFER} {{
  %y = tier.alloc offset 0 : {BUFFER}
  accel.kernel "k" ins(%x : {BUFFER}) outs(%y : {BUFFER}) {{
  ^bb0(%a: {BUFFER}, %b: {BUFFER}):
    stream.graph HEAD {{
      %s = stream.read %a : {BUFFER} -> {ROW}
      %t = stream.NODE
      stream.write %t to %b : {ROW}, {BUFFER}
    }}
  }}
  func.return %y : {BUFFER}
}}
}}
"""
NOWHERE = [
    (f"convert %s : {ROW} -> {ROW}", "", "got `stream.convert`"),
    (
        f'fifo %s depth 2 initial [0.0 : f32] tier "sram" offset 0 : {ROW}',
        "",
        "expected an empty FIFO .*, got one with initial tokens",
    ),
    (
        f'fifo %s depth 2 tier "sram" offset 0 : {ROW}',
        "bound affine_map<() -> (3)> ()",
        "expected rows that all have one length .*, got a `bound`",
    ),
]


@pytest.mark.parametrize(("node", "head", "message"), NOWHERE)
@pytest.mark.parametrize(
    ("pass_", "text"),
    [
        (PlaceBuffersPass(), TILED),
        (VerifyPlacementPass(), PLACED),
        (ConvertStreamToAccelPass(), PLACED),
    ],
)
def test_a_graph_that_needs_a_fabric(
    pass_: ModulePass, text: str, node: str, head: str, message: str
):
    module = parse(text.replace("NODE", node).replace("HEAD", head))
    with pytest.raises(PassFailedException, match=message):
        apply_to_clone(pass_, module)


def test_what_loops_can_run_passes():
    node = f'fifo %s depth 2 tier "sram" offset 0 : {ROW}'
    module = parse(PLACED.replace("NODE", node).replace("HEAD", ""))
    apply_to_clone(VerifyPlacementPass(), module)
