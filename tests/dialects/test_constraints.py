"""The docs' constraints and the cases of invalid.mlir are one list, and each case gives its message."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from xdsl.context import Context
from xdsl.parser import Parser
from xdsl.universe import Universe
from xdsl.utils.exceptions import VerifyException

ROOT = Path(__file__).parents[2]
DIALECTS = ("ternary", "attention", "stream", "tier", "accel", "socket")


class Case(NamedTuple):
    """One chunk of an invalid.mlir: whose constraint, its number and sentence, the message, the text."""

    owner: str
    number: int
    sentence: str
    message: str
    text: str


def cases(dialect: str) -> list[Case]:
    """The cases of a dialect, in the file's order."""
    path = ROOT / f"tests/filecheck/dialects/{dialect}/invalid.mlir"
    chunks = path.read_text().split("// -----\n")
    head = re.compile(r"// `([^`]+)` \(C(\d+)\): (.*)\n// CHECK: (.*)\n")
    found = [head.search(chunk) for chunk in chunks]
    return [
        Case(match[1], int(match[2]), match[3], match[4], chunk)
        for match, chunk in zip(found, chunks, strict=True)
        if match is not None
    ]


def documented(dialect: str) -> list[tuple[str, int, str]]:
    """The constraints of a dialect's page: owner, number, sentence."""
    owner, found = "", list[tuple[str, int, str]]()
    for line in (ROOT / f"docs/dialects/{dialect}.md").read_text().splitlines():
        if match := re.fullmatch(r"## `(.*)`", line):
            owner = match[1]
        elif match := re.fullmatch(r"- \(C(\d+)\) (.*)", line):
            found.append((owner, int(match[1]), match[2]))
    return found


@pytest.mark.parametrize("dialect", DIALECTS)
def test_cases_are_the_documented_constraints(dialect: str):
    assert [case[:3] for case in cases(dialect)] == documented(dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_chunk_is_a_case(dialect: str):
    path = ROOT / f"tests/filecheck/dialects/{dialect}/invalid.mlir"
    assert path.read_text().count("// -----\n") + 1 == len(cases(dialect))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_page_has_every_op_type_and_attribute(dialect: str):
    loaded = Universe.get_multiverse().all_dialects[dialect]()
    names = {op.name for op in loaded.operations}
    for attribute in loaded.attributes:
        mark = "!" if attribute.__name__.endswith("Type") else "#"
        names.add(mark + attribute.name)
    page = (ROOT / f"docs/dialects/{dialect}.md").read_text()
    assert set(re.findall(r"^## `(.*)`$", page, re.MULTILINE)) == names


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=f"{case.owner}_c{case.number}")
        for dialect in DIALECTS
        for case in cases(dialect)
    ],
)
def test_case_gives_its_message(case: Case):
    context = Context()
    for name, load in Universe.get_multiverse().all_dialects.items():
        context.register_dialect(name, load)
    with pytest.raises(VerifyException) as raised:
        Parser(context, case.text).parse_module().verify()
    message = re.escape(case.message).replace(r"\{\{\.\*\}\}", ".*")
    assert re.search(message, str(raised.value))
