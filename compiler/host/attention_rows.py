# pyright: strict, reportUnknownMemberType=false
"""Attention of few query rows, as a decode step has them, by a kernel of the host engine."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from xdsl.dialects.builtin import (
    AnyFloat,
    IndexType,
    ModuleOp,
    TensorType,
    bf16,
    f16,
    f32,
)
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute

from dfc.dialects import attention
from dfc.driver import new_context
from dfc.passes.convert_attention_to_vector import (
    ConvertAttentionToVectorPass,
    attention_of,
)
from dfc.runtime.native.cache import ObjectCache
from dfc.runtime.native.cpu import choose_isa
from dfc.runtime.native.kernel import Kernel, load_kernels

MOST_ROWS = 4
"""Query rows of a sequence up to which each walks over the keys alone; more are a product of matrices."""

FLOATS: dict[torch.dtype, AnyFloat] = {
    torch.float32: f32,
    torch.float16: f16,
    torch.bfloat16: bf16,
}


@dataclass(frozen=True)
class Form:
    """What a kernel is made for."""

    q: tuple[int, ...]
    k: tuple[int, ...]
    mask: tuple[int, ...] | None
    dtype: torch.dtype
    positioned: bool
    causal: bool
    window: int | None
    scale: float | None

    def function(self) -> FuncOp:
        """The function of this attention."""
        kind = FLOATS[self.dtype]
        q, k = TensorType(kind, self.q), TensorType(kind, self.k)
        types: list[Attribute] = [q, k, k]
        types += [IndexType()] if self.positioned else []
        types += [] if self.mask is None else [TensorType(kind, self.mask)]
        made = FuncOp("attend", (types, [q]))
        given = list(made.body.block.args)
        position = given[3] if self.positioned else None
        mask = given[-1] if self.mask is not None else None
        q_, k_, v_, *_ = given
        op = attention.SdpaOp(
            q_,
            k_,
            v_,
            position,
            mask,
            causal=self.causal,
            window=self.window,
            scale=self.scale,
        )
        made.body.block.add_ops([op, ReturnOp(op.y)])
        return made


@cache
def kernel(form: Form) -> Kernel | None:
    """The kernel of a form, compiled once or loaded; None where it has no native form."""
    function = form.function()
    if attention_of(function) is None:
        return None
    module = ModuleOp([function])
    ConvertAttentionToVectorPass(choose_isa()).apply(new_context(), module)
    return load_kernels(module, ObjectCache())["attend"]


def attend_rows(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    position: Tensor | None,
    mask: Tensor | None,
    causal: bool,
    window: int | None,
    scale: float | None,
) -> Tensor | None:
    """
    `dfc::sdpa` of q (B x H x M x D) with caches k and v (B x G x S x D) as they lie.

    None where M is large, or something has a form that the kernel does not read: then PyTorch's attention does it.
    """
    if q.shape[2] > MOST_ROWS or not all(map(fits, (q, k, v), (q, q, q))):
        return None
    if window is not None and not causal:
        return None
    if not (k.is_contiguous() and v.is_contiguous() and k.numel()):
        return None
    own = None if mask is None else whole(mask)
    if own is not None and own.dtype is not q.dtype:
        return None
    shape = None if own is None else tuple(own.shape)
    sizes = tuple(q.shape), tuple(k.shape), shape
    made = kernel(Form(*sizes, q.dtype, position is not None, causal, window, scale))
    if made is None:
        return None
    q = q.contiguous()
    out = torch.empty_like(q)
    words = [q.data_ptr(), k.data_ptr(), v.data_ptr()]
    words += [] if position is None else [int(position)]
    words += [] if own is None else [own.data_ptr()]
    made([*words, out.data_ptr()], q.shape[2], torch.get_num_threads())
    return out


def fits(tensor: Tensor, like: Tensor) -> bool:
    """Whether a tensor is on the CPU, of a dtype of attention and of the same as another."""
    return tensor.is_cpu and tensor.dtype is like.dtype and tensor.dtype in FLOATS


def whole(mask: Tensor) -> Tensor:
    """A mask (B or 1) x (H or 1) x M x S in memory as its shape says, each repeated part once."""
    for at in (0, 1):
        if mask.shape[at] > 1 and mask.stride(at) == 0:
            mask = mask.narrow(at, 0, 1)
    return mask.contiguous()
