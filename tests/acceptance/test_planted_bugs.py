"""Every placement bug that can be planted in a lowered program is named or harmless, never a wrong answer."""

import pytest
from lowering import lowered, product, random_values, same, values
from xdsl.dialects.builtin import ModuleOp

from dfc.dialects.accel import LaunchOp, StartOp
from dfc.dialects.tier import AllocOp, CopyOp
from dfc.errors import DfcError

LINKS = {"fast": 4096, "slow": 1}


@pytest.fixture(params=LINKS)
def program(request: pytest.FixtureRequest) -> tuple[ModuleOp, ModuleOp]:
    """A product at level fused and at level program, whose tiles stand over the edges."""
    fused = product(5, 64, 96, 8)
    low = lowered(fused, "program")
    key = "port.ddr_read.bytes_per_cycle"
    for module in (fused, low):
        overrides = dict(module.attributes["accel.target_set"].data)
        module.attributes["accel.target_set"] = type(
            module.attributes["accel.target_set"]
        )({**overrides, key: IntegerAttr(LINKS[request.param], i64)})
    return fused, low
