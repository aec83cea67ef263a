"""What the tests of attention's stream graphs share: modules of one attention, and PyTorch's result for them."""

from dataclasses import dataclass

import ml_dtypes
import numpy as np
import torch
from lowering import LOWER
from pass_testing import apply_to_clone, ops_named, parse
from torch.nn.attention import SDPBackend, sdpa_kernel
from xdsl.dialects.builtin import ModuleOp, StringAttr

from dfc.dialects import attention
from dfc.passes.attention_set_schedule import AttentionSetSchedulePass
from dfc.passes.convert_attention_to_stream import ConvertAttentionToStreamPass
from dfc.passes.fuse_kernels import FuseKernelsPass
from dfc.passes.stream_fold_nodes import StreamFoldNodesPass
from dfc.passes.stream_size_fifos import StreamSizeFifosPass

DTYPES = {"f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16}


@dataclass(frozen=True)
class Case:
    """One attention: its sizes, and what it hides and does to its scores."""

    batch: int = 1
    heads: int = 1
    groups: int = 1
    rows: int = 4
    keys: int = 4
    depth: int = 4
    causal: bool = False
    window: int | None = None
    position: int | None = None
    mask: bool = False
    scale: float | None = None
    softcap: float | None = None
    dtype: str = "f32"

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of q, k, v and the mask."""
        kv = (self.batch, self.groups, self.keys, self.depth)
        q = (self.batch, self.heads, self.rows, self.depth)
        mask = [(1, self.heads, self.rows, self.keys)] if self.mask else []
        return [q, kv, kv, *mask]

    @property
    def module(self) -> ModuleOp:
        """A function `main` of q, k, v, the mask and the position."""
        kinds = [f"tensor<{'x'.join(map(str, s))}x{self.dtype}>" for s in self.shapes]
        names = ["%q", "%k", "%v", "%m"][: len(kinds)]
        given = [f"{n}: {t}" for n, t in zip(names, kinds, strict=True)]
        at = "" if self.position is None else "at %p "
        given += [] if self.position is None else ["%p: index"]
        mask = f"mask %m : {kinds[3]} " if self.mask else ""
        q, k, v = kinds[:3]
        return parse(f"""
func.func @main({", ".join(given)}) -> {q} {{
  %y = attention.sdpa %q, %k, %v {at}{mask}{{{", ".join(self.options)}}} : {q}, {k}, {v} -> {q}
  func.return %y : {q}
}}""")

    @property
    def options(self) -> list[str]:
        """The op's attributes."""
        return [
            *(["causal"] if self.causal else []),
            *([] if self.window is None else [f"window = {self.window} : i64"]),
            *([] if self.scale is None else [f"scale = {self.scale!r} : f64"]),
            *([] if self.softcap is None else [f"softcap = {self.softcap!r} : f64"]),
        ]

    def inputs(self, seed: int = 0, size: float = 1.0) -> list[np.ndarray | int]:
        """Random q, k (`size` times as large), v and mask, with what lies behind the last key written being NaN."""
        draw = np.random.default_rng(seed)
        made = [draw.standard_normal(shape) for shape in self.shapes]
        made[0] = made[0] * size
        if self.mask:
            made[3][draw.random(made[3].shape) < 0.3] = -np.inf
        if self.position is not None:
            for cache in made[1:3]:
                cache[:, :, self.position + self.rows :] = np.nan
        values = [value.astype(DTYPES[self.dtype]) for value in made]
        return [*values, *([] if self.position is None else [self.position])]

    def hidden(self) -> np.ndarray:
        """Which keys each row may not see."""
        first = self.position or 0
        row, key = np.ogrid[first : first + self.rows, : self.keys]
        hidden = np.broadcast_to(
            self.position is not None and key >= first + self.rows,
            (self.rows, self.keys),
        )
        if self.causal:
            hidden = hidden | (key > row)
        if self.window is not None:
            hidden = hidden | (key <= row - self.window)
        return np.array(hidden)

    def wanted(self, inputs: list[np.ndarray | int]) -> np.ndarray:
        """PyTorch's attention in f32; with a softcap, which it does not have, in its own ops."""
        q, k, v, *mask = [
            torch.from_numpy(np.nan_to_num(x.astype(np.float32), neginf=-np.inf))
            for x in inputs
            if isinstance(x, np.ndarray)
        ]
        added = mask[0] if mask else torch.zeros(1, 1, self.rows, self.keys)
        added = added.masked_fill(torch.from_numpy(self.hidden()), -torch.inf)
        shared = self.heads // self.groups
        k, v = (x.repeat_interleave(shared, 1) for x in (k, v))
        if self.softcap is not None:
            return self._capped(q, k, v, added)
        added = added.expand(self.batch, -1, -1, -1)
        with sdpa_kernel(SDPBackend.MATH):
            return torch.nn.functional.scaled_dot_product_attention(
                q, k, v, added, scale=self.scale
            ).numpy()

    def _capped(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, added: torch.Tensor
    ) -> np.ndarray:
        scale = self.depth**-0.5 if self.scale is None else self.scale
        scores = (q @ k.mT) * scale
        scores = self.softcap * torch.tanh(scores / self.softcap) + added
        return torch.nan_to_num(torch.softmax(scores, -1)).numpy() @ v.numpy()


def streamed(
    module: ModuleOp,
    schedule: str | attention.ScheduleAttr,
    rows: int = 1,
    assumed_max: float = 16.0,
) -> ModuleOp:
    """The module with its attention as stream graphs, in a schedule or one that has a name."""
    if isinstance(schedule, str):
        module = apply_to_clone(AttentionSetSchedulePass(schedule, rows), module)
    else:
        module = module.clone()
        (op,) = ops_named(module, "attention.sdpa")
        op.schedule = schedule
    return apply_to_clone(ConvertAttentionToStreamPass(assumed_max), module)


def on_fabric(case: Case, schedule: str, rows: int = 1) -> ModuleOp:
    """The tiled module of an attention for a unit that holds graphs, with FIFOs that are deep enough."""
    module = case.module
    module.attributes["accel.target"] = StringAttr("stream-abstract")
    module = streamed(apply_to_clone(FuseKernelsPass(), module), schedule, rows)
    for each in (StreamFoldNodesPass(), StreamSizeFifosPass()):
        module = apply_to_clone(each, module)
    return module


def levels(module: ModuleOp) -> list[ModuleOp]:
    """The module at tiled, placed and program."""
    found = [module]
    for level in ("placed", "program"):
        for each in LOWER[level]:
            module = apply_to_clone(each, module)
        found.append(module)
    return found
