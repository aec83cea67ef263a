"""Read IR as text and run passes on it, one at a time, verified after each."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.passes import ModulePass, get_pass_option_infos
from xdsl.universe import Universe
from xdsl.utils.arg_spec import ArgSpec, parse_pipeline
from xdsl.utils.exceptions import DiagnosticException

from dfc.diagnostics import explain
from dfc.errors import InputError, PassError, suggest
from dfc.progress import step
from dfc.verification import Verifier

PassLoader = Callable[[], type[ModulePass]]
AfterPass = Callable[[ModulePass, ModuleOp], None]


def new_context() -> Context:
    """A context that knows every dialect of xDSL, of dfc and of plug-ins."""
    context = Context()
    for name, loader in Universe.get_multiverse().all_dialects.items():
        context.register_dialect(name, loader)
    return context


def read_module(path: str, context: Context) -> ModuleOp:
    """The verified module in a text file, or on standard input where the path is `-`."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text()
    except UnicodeDecodeError as error:
        raise InputError(
            f"expected MLIR text in `{path}`, found bytes that are not text", path
        ) from error
    return parse_module(text, context, path)


def parse_module(text: str, context: Context, name: str = "text") -> ModuleOp:
    """The verified module that a text says; `name` stands in messages."""
    module = Parser(context, text, name).parse_module()
    module.verify()
    return module


def parse_passes(text: str) -> tuple[ModulePass, ...]:
    """The passes of `a,b{option=value}`, any of xDSL's, dfc's and plug-ins'."""
    known = Universe.get_multiverse().all_passes
    return tuple(build(spec, known) for spec in parse_pipeline(text))


def build(spec: ArgSpec, known: dict[str, PassLoader]) -> ModulePass:
    """The pass of one specification, with its options checked."""
    if spec.name not in known:
        hint = suggest(spec.name, known, "`dfc passes` lists those of dfc")
        raise InputError(f"no pass is called `{spec.name}`: {hint}", spec.name)
    cls = known[spec.name]()
    try:
        return cls.from_spec(spec)
    except ValueError as error:
        options = [f"{o.name}: {o.expected_type}" for o in get_pass_option_infos(cls)]
        takes = f"it takes {', '.join(options)}" if options else "it takes no options"
        raise InputError(
            f"wrong options for pass `{spec.name}` in `{spec}`: {takes}", spec.name
        ) from error


def apply(one: ModulePass, module: ModuleOp, context: Context) -> None:
    """Apply one pass; `PassError`, in one sentence and without the IR, where it cannot proceed."""
    try:
        one.apply(context, module)
    except DiagnosticException as error:
        message, where = explain(error) or (str(error), None)
        raise PassError(message, where) from error


def run_passes(
    passes: Sequence[ModulePass],
    module: ModuleOp,
    context: Context,
    after: AfterPass | None = None,
) -> None:
    """Apply passes in place to a verified module; `after` sees the module, verified again, behind each."""
    verifier = Verifier(module)
    for one in passes:
        step(f"running {one.name}")
        apply(one, module, context)
        step(f"verifying after {one.name}")
        verifier.verify()
        if after is not None:
            after(one, module)
