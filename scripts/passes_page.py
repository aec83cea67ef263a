"""Write docs/passes.md from the docstrings of the passes: `python scripts/passes_page.py`."""

import ast
from collections.abc import Iterator
from pathlib import Path

from dfc.passes import PASSES, class_name

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "passes.md"

HEAD = """# Passes

Generated from the docstrings by `scripts/passes_page.py`; a test holds it up to date.
`dfc passes` prints the list, `dfc opt FILE -p 'pass{option=value}'` runs one.
"""


def fenced(text: str) -> str:
    """Put the indented lines of a docstring, with the `-->` between them, in a fence."""
    lines = text.splitlines()
    code = [i for i, line in enumerate(lines) if is_code(line)]
    if not code:
        return text
    first, last = code[0], code[-1] + 1
    block = [line.removeprefix("    ") for line in lines[first:last]]
    return "\n".join([*lines[:first], "```mlir", *block, "```", *lines[last:]])


def is_code(line: str) -> bool:
    """Whether a line of a docstring belongs to its before and after."""
    return line.startswith("    ") or line.strip() == "-->"


def syntax(name: str) -> ast.Module:
    """The syntax tree of a pass's file."""
    return ast.parse((ROOT / "passes" / f"{name.replace('-', '_')}.py").read_text())


def pass_options(name: str) -> Iterator[tuple[str, str]]:
    """Each option of a pass as `name: type = default`, with the docstring under it."""
    classes = [node for node in syntax(name).body if isinstance(node, ast.ClassDef)]
    owner = next(node for node in classes if node.name == class_name(name))
    for field, after in zip(owner.body, [*owner.body[1:], None], strict=True):
        if isinstance(field, ast.AnnAssign) and "ClassVar" not in ast.unparse(field):
            yield ast.unparse(field), docstring(after)


def docstring(node: ast.stmt | None) -> str:
    """The text of a bare string, on one line."""
    match node:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return " ".join(text.split())
        case _:
            return ""


def section(name: str) -> str:
    """The part of the page about one pass."""
    parts = [f"## {name}", fenced(ast.get_docstring(syntax(name)) or "")]
    rows = [f"- `{field}`: {text}" for field, text in pass_options(name)]
    if rows:
        parts.append("Options:\n\n" + "\n".join(rows))
    return "\n\n".join(parts)


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(section(name) + "\n" for name in PASSES)])


if __name__ == "__main__":
    PAGE.write_text(page())
