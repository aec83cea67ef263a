"""The sentence for an error that a user's input caused, whoever raised it."""

import sys
from collections.abc import Mapping
from errno import EDQUOT, EIO, ENOSPC
from typing import TYPE_CHECKING

from xdsl.ir import Operation
from xdsl.utils.exceptions import ArgSpecParseError, DiagnosticException, ParseError

from dfc.errors import DfcError

if TYPE_CHECKING:
    from dfc.runtime.graph import DeadlockError


def explain(error: BaseException) -> tuple[str, str | None] | None:
    """The message and the place of a user's error; None for an error of our own."""
    match error:
        case DfcError():
            return str(error), getattr(error, "where", None)
        case ParseError():
            where = str(error.span.get_location())
            return f"{where}: {one_line(error.msg)}", where
        case DiagnosticException():
            op = raised_by(error)
            where = None if op is None else place(op)
            message = one_line(str(error))
            return (message if where is None else f"{where}: {message}"), where
        case ArgSpecParseError():
            return f"cannot read the list of passes: {last_line(error)}", None
        case OSError() if error.filename is not None:
            reason = (error.strerror or type(error).__name__).lower()
            return f"cannot open `{error.filename}`: {reason}", str(error.filename)
        case OSError() if error.errno in (ENOSPC, EDQUOT, EIO):
            reason = (error.strerror or type(error).__name__).lower()
            return f"cannot write: {reason}", None
        case _:
            return None


def deadlock_in(error: BaseException) -> "DeadlockError | None":
    """The deadlock of a stream graph that an error is, or was raised for."""
    if "dfc.runtime.graph" not in sys.modules:
        return None
    from dfc.runtime.graph import DeadlockError

    found: BaseException | None = error
    while found is not None and not isinstance(found, DeadlockError):
        found = found.__cause__ or found.__context__
    return found


def as_json(
    error: BaseException, message: str, where: str | None
) -> Mapping[str, object]:
    """An error as `--json` prints it; a deadlock has its circle of nodes and FIFOs."""
    deadlock = deadlock_in(error)
    if deadlock is None:
        return {"error": {"message": message, "where": where}}
    cycle = [
        {
            "node": wait.node,
            "waits_for": wait.what,
            "fifo": wait.edge,
            "depth": wait.depth,
            "of": wait.other,
        }
        for wait in deadlock.cycle
    ]
    return {"deadlock": {"message": message, "where": where, "cycle": cycle}}


def place(op: Operation) -> str:
    """An op's name with its origin, where it has one."""
    origin = op.attributes.get("dfc.origin")
    return f"`{op.name}`" if origin is None else f"`{op.name}` ({origin})"


def raised_by(error: BaseException) -> Operation | None:
    """The op whose `emit_error` raised; the exceptions of xDSL do not carry it."""
    trace = error.__traceback__
    while trace is not None:
        owner = trace.tb_frame.f_locals.get("self")
        if trace.tb_frame.f_code.co_name == "emit_error":
            return owner if isinstance(owner, Operation) else None
        trace = trace.tb_next
    return None


def one_line(sentence: str) -> str:
    """A sentence of xDSL's in our form: one line, lower case, no full stop."""
    line = " ".join(sentence.split()).rstrip(".")
    return line if line[:2].isupper() else line[:1].lower() + line[1:]


def last_line(error: BaseException) -> str:
    """What xDSL writes under the underlined text of a pipeline."""
    return one_line(str(error).strip().splitlines()[-1])
