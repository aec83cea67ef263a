# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeStubs=false
"""`dfc run -t host`: a model on this processor, on the clock."""

import os
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from dfc import zoo
from dfc.frontends.huggingface import is_language_model
from dfc.frontends.load import exported, zoo_inputs
from dfc.frontends.packing import pack
from dfc.graph_reports import CallReport, last_report
from dfc.host.check import Check, compare_calls
from dfc.host.generate import Generated, Generator, check_capacity
from dfc.host.parts import Part, where
from dfc.host.result import HostRun, Speed
from dfc.progress import step
from dfc.running import Done, given, named
from dfc.runtime.native.bandwidth import measure
from dfc.tensors import to_numpy, to_tensor
from dfc.workload import Workload

REPEATS = 3
"""Runs of the prompt that count."""

WARM = 3
"""Steps after the first prompt, which compile and find their memory, and do not count."""


@dataclass(frozen=True)
class Asked:
    """What `dfc run -t host` is asked for."""

    workload: Workload
    seed: int = 0
    dtype: str | None = None
    threads: int | None = None
    quantize_lm_head: bool = False
    check: bool = False
    inputs: str | None = None


def run_host(model: str, asked: Asked) -> Done | HostRun:
    """Build a model of the zoo, or load an exported program, and run it."""
    enable_dynamo()
    if asked.threads is not None:
        torch.set_num_threads(asked.threads)
    start = time.perf_counter()
    built, args = source(model, asked)
    built_s = time.perf_counter() - start
    if is_language_model(built):
        return generate(built, asked, built_s)
    return once(built, args, asked)


def enable_dynamo() -> None:
    """Undo what the command line does so that commands that compile nothing start sooner."""
    os.environ.pop("TORCHDYNAMO_DISABLE", None)


def source(spec: str, asked: Asked) -> tuple[nn.Module, list[Tensor]]:
    """A model by name or file, and example inputs where it is no language model."""
    step(f"building {spec}")
    if not spec.startswith("zoo:"):
        program = exported(spec)
        args = program.example_inputs[0] if program.example_inputs else ()
        return program.module(), list(args)
    found = zoo.find(spec.removeprefix("zoo:"))
    if found.linear == "autobitlinear":  # the same layers, packed as they are published
        found = found.model_copy(update={"linear": "bitlinear"})
    if "max_position_embeddings" in found.config:
        shape = zoo.build(found)
        if is_language_model(shape):
            check_capacity(shape, asked.workload.capacity)
    model = zoo.build(found, dtype=asked.dtype, abstract=False, seed=asked.seed)
    return model, [] if is_language_model(model) else zoo_inputs(spec, found, model)


def compiled(model: nn.Module, asked: Asked) -> Callable[..., Any]:
    """The model through the backend; what was compiled before counts against Dynamo's limit of graphs."""
    torch.compiler.reset()
    options: dict[str, Any] = {"target": "host"}
    return torch.compile(model, backend="dfc", options=options, dynamic=False)


def once(model: nn.Module, args: Sequence[Tensor], asked: Asked) -> Done:
    """Run a model that is no language model on random inputs or on those of a file."""
    drawn: list[Any] = [to_numpy(one) for one in random_like(args, asked.seed)]
    values = given(asked.inputs, None, drawn)
    tensors = [
        to_tensor(value, one.dtype) for value, one in zip(values, args, strict=True)
    ]
    packed = pack(model)
    call = compiled(packed, asked)
    with torch.no_grad():
        results = flat(call(*tensors))
    done = Done(named("main", [to_numpy(one) for one in results]))
    done.fallbacks = fallbacks_of(graphs())
    if asked.check:
        pairs = [(lambda: flat(call(*tensors))[0], lambda: flat(packed(*tensors))[0])]
        done.check = compare_calls(pairs)
    return done


def random_like(tensors: Sequence[Tensor], seed: int) -> list[Tensor]:
    """Normal floats, zeros for the rest."""
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(one.shape, generator=generator, dtype=one.dtype)
        if one.is_floating_point()
        else one
        for one in tensors
    ]


def flat(result: Any) -> list[Tensor]:
    """The tensors of a result."""
    return [one for one in tree_leaves(result) if isinstance(one, Tensor)]


def graphs() -> CallReport:
    """The report of the last call."""
    report = last_report()
    assert report is not None
    return report


def fallbacks_of(report: CallReport) -> list[dict[str, str]]:
    """What was not lowered and why."""
    return [{"origin": f.origin, "reason": f.reason} for f in report.fallbacks]


def generate(model: Any, asked: Asked, built_s: float) -> HostRun:
    """Run a language model: prompt and greedy steps, timed when all is compiled."""
    work = asked.workload
    steps = len(work.positions)
    step("packing the weights")
    start = time.perf_counter()
    packed: Any = pack(model, quantize_lm_head=asked.quantize_lm_head)
    packed_s = time.perf_counter() - start
    del model
    generator = Generator(packed, compiled(packed, asked), work.capacity, work.batch)
    prompt = prompt_of(generator, asked)
    step("compiling")
    first = generator.run(prompt, min(WARM, steps))
    report = graphs()
    step("running")
    again = [generator.run(prompt, 0).prefill_s for _ in range(REPEATS - 1)]
    found = generator.run(prompt, steps)
    prefill_s = [*again, found.prefill_s]
    spent = [first.prefill_s - median(prefill_s)]
    if steps:
        spent.append(first.decode_s[0] - median(found.decode_s))
    peak = peak_bytes()
    parts = parts_of(generator, prompt, found)
    step("reading the memory")
    threads = torch.get_num_threads()
    speed = Speed(
        prefill_s,
        found.decode_s,
        sum(part.bytes_ for part in parts),
        measure(threads=threads),
        work.batch,
    )
    ran: list[Any] = report.graphs
    return HostRun(
        type(packed).__name__,
        threads,
        speed,
        built_s,
        packed_s,
        max(0.0, sum(spent)),
        peak,
        weight_bytes(packed),
        ", ".join(dict.fromkeys(str(graph.rest) for graph in ran)),
        report.lowered_share,
        parts,
        fallbacks_of(report),
        checked(generator, prompt, found) if asked.check else None,
        results_of(found),
    )


def prompt_of(generator: Generator, asked: Asked) -> Tensor:
    """Random tokens, or those of a file."""
    drawn = generator.prompt(asked.workload.prefill, asked.seed)
    values = given(asked.inputs, None, [drawn.numpy()])
    return torch.from_numpy(np.asarray(values[0], np.int64)).reshape(drawn.shape)


def parts_of(generator: Generator, prompt: Tensor, found: Generated) -> list[Part]:
    """Where the time of a decode step goes; of the prompt where there is no step."""
    step("looking where the time goes")
    head: Any = generator.model.get_output_embeddings()
    token = found.tokens[0] if found.tokens else prompt
    position = prompt.shape[1] if found.tokens else 0

    def call() -> None:
        generator.rewind(position)
        generator.logits(token)

    generator.run(prompt, 0)
    return where(call, generator.cache_bytes, head.weight)


def checked(generator: Generator, prompt: Tensor, found: Generated) -> Check:
    """The prompt and every step beside eager's, on the same tokens; each side has its own cache."""
    step("comparing with PyTorch")
    eager = Generator(
        generator.model,
        generator.model,
        generator.capacity,
        generator.batch,
    )
    generator.cache.reset()
    inputs = [prompt, *found.tokens]
    return compare_calls(
        [
            (lambda ids=ids: generator.logits(ids), lambda ids=ids: eager.logits(ids))
            for ids in inputs
        ]
    )


def results_of(found: Generated) -> dict[str, Any]:
    """Logits and tokens by name."""
    logits = [one.float().numpy() for one in found.logits]
    results: dict[str, Any] = {"prefill.logits": logits[0]}
    for number, one in enumerate(logits[1:]):
        results[f"decode.{number}.logits"] = one
    if found.tokens:
        results["tokens"] = torch.cat(found.tokens, 1).numpy()
    return results


def weight_bytes(model: nn.Module) -> int:
    """Bytes of a model's parameters and buffers, shared ones once."""
    storages = {
        one.untyped_storage().data_ptr(): one.nbytes
        for one in (*model.parameters(), *model.buffers())
    }
    return sum(storages.values())


def peak_bytes() -> int:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
