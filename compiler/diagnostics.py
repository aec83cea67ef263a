"""The sentence for an error that a user's input caused, whoever raised it."""

from errno import EDQUOT, EIO, ENOSPC

from xdsl.ir import Operation
from xdsl.utils.exceptions import ArgSpecParseError, DiagnosticException, ParseError

from dfc.errors import DfcError


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
