"""A program as one file: its IR as text, its weights, and what it was asked to do."""

import json
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import ml_dtypes
import numpy as np
import safetensors.numpy
from safetensors import SafetensorError
from xdsl.dialects.builtin import ModuleOp
from xdsl.printer import Printer

from dfc.driver import new_context, parse_module
from dfc.errors import InputError
from dfc.levels import pipeline_of
from dfc.program import Program
from dfc.runtime.interpreter.dtypes import Array
from dfc.workload import Workload

FORMAT = 1
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


def save(program: Program, path: Path) -> None:
    """Write the source level and the program level, with the weights where there are any."""
    weights = program.weights or {}
    about = {
        "format": FORMAT,
        "source": program.source,
        "workload": program.workload and asdict(program.workload),
        "weights": program.weights is not None,
        "bfloat16": [name for name, w in weights.items() if w.dtype == BFLOAT16],
    }
    with ZipFile(path, "w") as archive:
        archive.writestr("about.json", json.dumps(about))
        archive.writestr("source.mlir", generic(program.module(program.source)))
        archive.writestr("program.mlir", generic(program.module("program")))
        archive.writestr("weights.safetensors", safetensors.numpy.save(plain(weights)))


def generic(module: ModuleOp) -> str:
    """A module in the generic form: xDSL's own form of some linalg ops leaves out their bodies."""
    text = StringIO()
    Printer(text, print_generic_format=True).print_op(module)
    return text.getvalue()


def plain(weights: dict[str, Array]) -> dict[str, Array]:
    """Weights in dtypes of numpy's own: a bfloat16 as its bits."""
    return {
        name: np.ascontiguousarray(w.view(np.uint16) if w.dtype == BFLOAT16 else w)
        for name, w in weights.items()
    }


def load(path: str | Path) -> Program:
    """The program in a file that `Program.save` wrote."""
    try:
        with ZipFile(path) as archive:
            about = json.loads(archive.read("about.json"))
            texts = {
                n: archive.read(f"{n}.mlir").decode() for n in ("source", "program")
            }
            weights = safetensors.numpy.load(archive.read("weights.safetensors"))
        found = about["format"]
    except (BadZipFile, KeyError, ValueError, TypeError, SafetensorError) as error:
        raise InputError(
            f"expected a program saved by dfc, got `{path}`: `dfc compile -o` writes one",
            str(path),
        ) from error
    if found != FORMAT:
        message = f"expected format {FORMAT} in `{path}`, got {found}: save it anew"
        raise InputError(message, str(path))
    for name in about["bfloat16"]:
        weights[name] = weights[name].view(ml_dtypes.bfloat16)
    return restore(about, texts, weights if about["weights"] else None)


def restore(
    about: dict[str, Any], texts: dict[str, str], weights: dict[str, Array] | None
) -> Program:
    """The program of these parts; levels between its source and `program` are made when asked for."""
    context = new_context()
    asked: dict[str, Any] | None = about["workload"]
    workload = None
    if asked is not None:
        asked["positions"] = tuple(asked["positions"])
        workload = Workload(**asked)
    source = parse_module(texts["source"], context, "source.mlir")
    program = parse_module(texts["program"], context, "program.mlir")
    modules = {str(about["source"]): source, "program": program}
    return Program(modules, context, pipeline_of(source), weights, workload)
