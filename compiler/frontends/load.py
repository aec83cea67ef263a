# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""From what a user names (a zoo entry, a file, a module) to the tensor level."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from xdsl.dialects.builtin import ModuleOp

from dfc import zoo
from dfc.frontends import huggingface
from dfc.frontends.call_form import CallForm
from dfc.frontends.example import Flat, input_names, silent, trace_example
from dfc.frontends.functions import Function
from dfc.frontends.lower import lower
from dfc.frontends.preparation import prepare
from dfc.frontends.rewrite import keep_meaning, parameters
from dfc.frontends.text import load_mlir
from dfc.frontends.trace import fake_mode, trace
from dfc.frontends.traced import Traced, by_name, public, weight_values
from dfc.progress import step
from dfc.runtime.errors import ModelError
from dfc.runtime.mlir import LoweringError

NOT_READ = "other files are not read"

PREFIX = "model."
"""The attribute under which the wrappers of a traced model hold it."""


def load_model(
    spec: str,
    *,
    prefill: int = 128,
    decode: int = 32,
    capacity: int | None = None,
    batch: int = 1,
    dtype: str | None = None,
    abstract: bool = True,
    seed: int = 0,
) -> Traced:
    """
    `zoo:NAME`, `zoo:FILE.toml#NAME`, a `.pt2` or a `.mlir` file at tensor level.

    Of a language model, `prefill` 0 leaves out `@prefill`, `decode` 0 leaves out `@decode`;
    the caches have room for `capacity` tokens, else for both together.
    """
    if spec.startswith("zoo:"):
        entry = zoo.find(spec.removeprefix("zoo:"))
        step(f"building {spec}")
        model = zoo.build(entry, dtype=dtype, abstract=abstract, seed=seed)
        if huggingface.is_language_model(model):
            return trace_language_model(
                model, prefill=prefill, decode=decode, capacity=capacity, batch=batch
            )
        return trace_module(model, zoo_inputs(spec, entry, model))
    if spec.endswith(".mlir"):
        return load_mlir(existing(spec))
    return trace_exported(exported(spec))


def exported(spec: str) -> torch.export.ExportedProgram:
    """The program of a `.pt2` file; anything else is refused."""
    if spec.endswith(".pt2"):
        return load_exported(existing(spec))
    hint = f"did you mean `zoo:{spec}`?" if spec in zoo.known() else NOT_READ
    raise ModelError(
        f"expected `zoo:NAME`, a `.mlir`, `.pt2` or `.dfc` file, got `{spec}`: {hint}"
    )


def existing(spec: str) -> Path:
    """The path of a model file that is there."""
    path = Path(spec)
    if not path.is_file():
        found = "a folder" if path.is_dir() else "none"
        raise ModelError(f"expected a model file at `{spec}`, found {found}")
    return path


def zoo_inputs(spec: str, entry: zoo.Entry, model: nn.Module) -> list[Tensor]:
    """Example inputs of a zoo model that is not a language model."""
    if not entry.inputs:
        raise ModelError(f"expected `inputs` in the zoo's entry `{spec}`, found none")
    with fake_mode(model) or nullcontext():
        return [
            torch.zeros(given.shape, dtype=getattr(torch, given.dtype))
            for given in entry.inputs
        ]


def trace_language_model(
    model: nn.Module,
    *,
    prefill: int = 128,
    decode: int = 32,
    capacity: int | None = None,
    batch: int = 1,
) -> Traced:
    """
    A Hugging Face language model as `@prefill` and `@decode` over the same weights and caches.

    `@prefill(ids, caches, weights)` runs P tokens into an empty cache, `@decode(ids, position,
    caches, weights)` one token; both give the logits of the last token and the new caches.
    """
    capacity = prefill + decode if capacity is None else capacity
    step("preparing the model")
    prepared = prepare(model.eval())
    mode = fake_mode(prepared)
    dtype = next(p.dtype for p in prepared.parameters() if p.is_floating_point())
    with mode or FakeTensorMode():
        shapes = huggingface.cache_shapes(prepared, batch, capacity)
        caches = [torch.empty(shape, dtype=dtype) for shape in shapes]
        prompt = torch.empty((batch, max(prefill, 1)), dtype=torch.int64)
        token = torch.empty((batch, 1), dtype=torch.int64)
        position = torch.empty((), dtype=torch.int64)
    functions: list[Function] = []
    if prefill:
        step("tracing @prefill")
        root = huggingface.Prefill(prepared)
        functions += trace(root, [prompt, *caches], "prefill", strip=PREFIX)
    if decode:
        step("tracing @decode")
        root = huggingface.Decode(prepared)
        functions += trace(root, [token, position, *caches], "decode", strip=PREFIX)
    if not functions:
        raise ModelError("expected tokens to prefill or to decode, got neither")
    for function in functions:
        if not function.private:
            describe_language_inputs(function, len(caches), prepared)
    share_weights(functions)
    return Traced(
        lower_whole(functions),
        by_name(functions),
        public(functions),
        weight_values(prepared, functions),
        prepared,
        model,
        prefill,
        decode,
        capacity,
        batch,
    )


def lower_whole(functions: Sequence[Function]) -> ModuleOp:
    """Lower all functions; `ModelError` names the operator that cannot be, and the way around it."""
    try:
        return lower(functions)
    except LoweringError as error:
        where = ", ".join(f"`{origin}`" for origin in error.origins) or "the model"
        raise ModelError(
            f"expected operators that dfc lowers, got one in {where} that it does not"
            f' ({error}): torch.compile(model, backend="dfc") runs it in PyTorch'
        ) from None


def describe_language_inputs(function: Function, caches: int, model: Any) -> None:
    """Name the inputs; the caches' new values are results 1, 2, …"""
    first = function.arguments.index(
        next(a for a in function.arguments if a.number == 0)
    )
    own = function.arguments[first:]
    own[0].name, own[0].limit = "ids", int(model.config.get_text_config().vocab_size)
    start = 1
    if function.name == "decode":
        own[1].name, own[1].kind = "position", "position"
        start = 2
    for index in range(caches):
        state = own[start + index]
        half = "value" if index % 2 else "key"
        state.name, state.kind = f"{half}_cache.{index // 2}", "state"
        state.alias = 1 + index


def share_weights(functions: Sequence[Function]) -> None:
    """Give all public functions the same weight arguments, in the same order."""
    entries = [f for f in functions if not f.private]
    found: dict[str, tuple[Any, Any]] = {}
    for function in entries:
        pairs = zip(function.inputs(), function.arguments, strict=True)
        for node, argument in pairs:
            if argument.kind == "weight":
                found.setdefault(argument.name, (node, argument))
    for function in entries:
        function.order_weights(found)


def trace_module(
    model: nn.Module,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    prepared: bool = False,
) -> Traced:
    """A module and example arguments as `@main`; results are the tensors of its result."""
    own = model if prepared else prepare(model)
    if isinstance(own, fx.GraphModule):
        keep_meaning(own, parameters(own))
    form = CallForm.of(own, args, kwargs or {})
    wrapper = Flat(own, args, kwargs or {})
    functions = trace_example(wrapper, PREFIX)
    entry = functions[0]
    names = input_names(model, args, kwargs or {})
    for argument in entry.arguments:
        if argument.kind == "input" and argument.number < len(names):
            argument.name = names[argument.number]
    return Traced(
        lower_whole(functions),
        by_name(functions),
        public(functions),
        weight_values(own, functions),
        own,
        model,
        form=replace(form, results=wrapper.results),
    )


def load_exported(path: Path) -> torch.export.ExportedProgram:
    """A program saved by `torch.export.save`."""
    try:
        with silent(torch.export.__name__):
            return torch.export.load(path)
    except (
        Exception
    ) as error:  # torch raises many kinds for a file that is none of its own
        first = str(error).partition("\n")[0].rstrip(".") or type(error).__name__
        raise ModelError(
            f"`{path}` is not a program saved by torch.export: {first}"
        ) from None


def trace_exported(program: torch.export.ExportedProgram) -> Traced:
    """An exported program as it is, on its own example inputs."""
    if program.example_inputs is None:
        raise ModelError("expected an exported program with example inputs, got none")
    args, kwargs = program.example_inputs
    return trace_module(program.module(), args, kwargs, prepared=True)
