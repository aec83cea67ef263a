"""The dependency chain: dialects <- runtime <- passes <- compiler, and what an import may load."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHAIN = ("dialects", "runtime", "passes", "compiler")
FILES = [
    pytest.param(folder, path, id=str(path.relative_to(ROOT)))
    for folder in CHAIN
    for path in sorted((ROOT / folder).rglob("*.py"))
]


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports anywhere, for type checkers too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: write the full name of what is imported"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer(name: str) -> str | None:
    """The folder that a module of dfc lives in, None for a module of others."""
    top, _, rest = name.partition(".")
    if top != "dfc":
        return None
    first = rest.partition(".")[0]
    return first if first in CHAIN else "compiler"


@pytest.mark.parametrize(("folder", "path"), FILES)
def test_imports_go_down_the_chain(folder: str, path: Path):
    allowed = CHAIN[: CHAIN.index(folder) + 1]
    wrong = [name for name in imported(path) if layer(name) not in (None, *allowed)]
    assert not wrong


BRIDGE = (ROOT / "runtime" / "mlir.py", ROOT / "runtime" / "native" / "jit.py")
"""To and from MLIR's text and modules, and to machine code."""


@pytest.mark.parametrize(("folder", "path"), FILES)
def test_only_the_bridge_imports_the_bindings(folder: str, path: Path):
    if path in BRIDGE:
        return
    assert not [name for name in imported(path) if name.startswith("torch_mlir.")]


LIGHT = {
    "the package": "import dfc",
    "the command line": "import dfc.cli",
    "the dialects": "from dfc.universe import DFC_UNIVERSE as u\n"
    "[load() for load in u.all_dialects.values()]",
    "the passes": "from dfc.universe import DFC_UNIVERSE as u\n"
    "[load() for load in u.all_passes.values()]",
}


@pytest.mark.parametrize("code", LIGHT.values(), ids=LIGHT)
def test_import_loads_neither_torch_nor_the_bindings(code: str):
    heavy = "{'torch', 'torch_mlir', 'transformers'} & set(sys.modules)"
    code = f"import sys\n{code}\nprint(*{heavy})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.returncode, run.stdout.strip()) == (0, ""), run.stderr
