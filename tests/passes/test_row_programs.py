"""Random programs of rows: on the host as in the interpreter, for odd sizes and every kind of value."""

import random
from dataclasses import dataclass, field

import ml_dtypes
import numpy as np
import pytest
from pass_testing import function, parse
from row_testing import Text, call_rows, generic, interpreted, row_kernel

from dfc.passes.rows.graph import row_program
from dfc.passes.rows.plan import plan
from dfc.runtime.interpreter.dtypes import Array

NUMPY = {
    "f32": np.float32,
    "bf16": ml_dtypes.bfloat16,
    "f16": np.float16,
    "i32": np.int32,
    "i8": np.int8,
}
FOLDS = ("arith.addf", "arith.maximumf", "arith.minimumf", "arith.mulf")
ARGUMENTS = [
    ("tk", "f32"),
    ("tk", "bf16"),
    ("tk", "f16"),
    ("k", "bf16"),
    ("tk", "i32"),
    ("tk", "i8"),
    ("t1", "f32"),
    ("", "f32"),
]
EXACT = {
    "f": ("arith.maximumf", "arith.minnumf"),
    "i": ("arith.addi", "arith.maxsi", "arith.minui", "arith.ori"),
}
STARTS = {"arith.addf": "0.5", "arith.mulf": "1.25"}
ONE = ("math.absf", "arith.negf", "math.floor", "math.roundeven")
TWO = {
    "f": ("arith.addf", "arith.subf", "arith.mulf", "arith.maximumf", "arith.minnumf"),
    "i": ("arith.addi", "arith.muli", "arith.xori", "arith.minsi", "arith.maxui"),
}


@dataclass(frozen=True)
class Value:
    """A value of a program: its name, its shape as in `generic`, its element type."""

    name: str
    shape: str
    kind: str

    def type(self, tokens: int, columns: int) -> str:
        """Its type."""
        sizes = {"t": tokens, "k": columns, "1": 1}
        return f"tensor<{''.join(f'{sizes[d]}x' for d in self.shape)}{self.kind}>"


@dataclass
class Program:
    """A program that grows by random ops, of which each gives the same in any order."""

    seed: int
    values: list[Value] = field(default_factory=list[Value])
    ops: list[tuple[Value, list[Value], str, str]] = field(
        default_factory=list[tuple[Value, list[Value], str, str]]
    )

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.columns = self.random.choice([1, 3, 15, 16, 17, 40, 64, 70, 144])
        self.values = [
            Value(f"%x{n}", shape, kind) for n, (shape, kind) in enumerate(ARGUMENTS)
        ]
        self.arguments = list(self.values)
        for _ in range(self.random.randint(4, 30)):
            self.grow()
        made = [op[0] for op in self.ops if op[0].shape in ("tk", "t1", "t")]
        last = [made[-1]] if made else []
        rest = self.random.sample(made, min(2, len(made)))
        self.results = list(dict.fromkeys([*last, *rest, self.arguments[1]]))

    def grow(self) -> None:
        """One op more."""
        choice = self.random.random()
        if choice < 0.25:
            self.fold()
        elif choice < 0.4:
            self.cast()
        else:
            self.element()

    def add(
        self, shape: str, kind: str, operands: list[Value], body: str, fold: str = ""
    ) -> None:
        """A new value."""
        made = Value(f"%v{len(self.ops)}", shape, kind)
        self.ops.append((made, operands, body, fold))
        self.values.append(made)

    def fold(self) -> None:
        """A row folded, by an op that gives the same in any order."""
        rows = [v for v in self.values if v.shape == "tk" and v.kind in ("i32", "f32")]
        value = self.random.choice([*rows, *rows[-3:]])
        op = self.random.choice(EXACT[value.kind[0]])
        shape = self.random.choice(["t1", "t"])
        self.add(shape, value.kind, [value], f"%r = {op} %a0, %o : {value.kind}", op)

    def cast(self) -> None:
        """A value in another kind, through f32."""
        value = self.random.choice(self.values)
        kind = self.random.choice(["f32", "bf16", "f16"])
        steps = ["%w = arith.addf %a0, %none : f32"]
        if value.kind[0] == "i":
            steps = [f"%w = arith.sitofp %a0 : {value.kind} to f32"]
        elif value.kind != "f32":
            steps = [f"%w = arith.extf %a0 : {value.kind} to f32"]
        steps.append(
            "%r = arith.addf %w, %none : f32"
            if kind == "f32"
            else f"%r = arith.truncf %w : f32 to {kind}"
        )
        self.add(value.shape, kind, [value], "\n".join(steps))

    def element(self) -> None:
        """An op on one or two values of one kind, element by element."""
        a = self.random.choice(self.values)
        b = self.random.choice([v for v in self.values if v.kind == a.kind])
        shape = next(
            (s for s in ("tk", "t1", "t", "k", "") if s in (a.shape, b.shape)), ""
        )
        if {a.shape, b.shape} & {"k"} and {a.shape, b.shape} & {"t1", "t"}:
            shape = "tk"
        kind, pick = a.kind, self.random.random()
        family = "i" if kind[0] == "i" else "f"
        if pick < 0.2 and family == "f":
            body = f"%r = {self.random.choice(ONE)} %a0 : {kind}"
        elif pick < 0.4:
            compare = "arith.cmpf ult" if family == "f" else "arith.cmpi sgt"
            body = f"%c = {compare}, %a0, %a1 : {kind}\n%r = arith.select %c, %a0, %a1 : {kind}"
        else:
            body = f"%r = {self.random.choice(TWO[family])} %a0, %a1 : {kind}"
        self.add(shape, kind, [a, b], body)

    def text(self, tokens: int) -> str:
        """The function."""

        def type_(value: Value) -> str:
            return value.type(tokens, self.columns)

        lines: list[str] = []
        for made, operands, body, fold in self.ops:
            out = f"%e{made.name[1:]}"
            lines.append(f"{out} = tensor.empty() : {type_(made)}")
            if fold:
                start = STARTS.get(fold, "-3.0" if made.kind == "f32" else "3")
                lines.append(
                    f"%s{made.name[1:]} = arith.constant {start} : {made.kind}"
                )
                filled = f"%f{made.name[1:]}"
                lines.append(
                    f"{filled} = linalg.fill ins(%s{made.name[1:]} : {made.kind}) outs({out} : {type_(made)}) -> {type_(made)}"
                )
                out = filled
            lines.append(self.loops(made, operands, body, out, bool(fold), tokens))
        results = ", ".join(v.name for v in self.results)
        types = ", ".join(map(type_, self.results))
        arguments = ", ".join(f"{v.name}: {type_(v)}" for v in self.arguments)
        return f"""
        func.func @f({arguments}) -> ({types}) {{
          %none = arith.constant -0.0 : f32
          {chr(10).join(lines)}
          func.return {results} : {types}
        }}"""

    def loops(
        self,
        made: Value,
        operands: list[Value],
        body: str,
        out: str,
        fold: bool,
        tokens: int,
    ) -> str:
        """An op over as many loops as its result needs."""

        def shape(value: Value) -> str:
            return "tk" if value.shape == made.shape == "t1" else value.shape

        given = [(v.name, shape(v), v.type(tokens, self.columns)) for v in operands]
        to = (
            out,
            "tk" if made.shape == "t1" and not fold else made.shape,
            made.type(tokens, self.columns),
        )
        return generic(made.name, given, to, body, fold)

    def inputs(self, tokens: int) -> list[Array]:
        """Random arguments."""
        numbers = np.random.default_rng(self.seed)
        sizes = {"t": tokens, "k": self.columns, "1": 1}
        found: list[Array] = []
        for value in self.arguments:
            shape = [sizes[d] for d in value.shape]
            if value.kind[0] == "i":
                found.append(
                    numbers.integers(-100, 100, shape).astype(NUMPY[value.kind])
                )
            else:
                made = numbers.normal(size=shape) * 1.5
                found.append(np.asarray(made).astype(NUMPY[value.kind]))
        return found


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_programs_are_equal_to_the_bit(seed: int):
    program = Program(seed)
    text: Text = program.text
    made = row_kernel(text)
    for tokens in (1, 2, 33):
        inputs = program.inputs(tokens)
        found = call_rows(made, text, inputs, tokens, threads=2)
        for one, other in zip(found, interpreted(text, inputs, tokens), strict=True):
            np.testing.assert_array_equal(wide(one), wide(other))


def wide(value: Array) -> Array:
    """Narrow floats in f32, whose NaN are equal."""
    return value.astype(np.float64)


@pytest.mark.parametrize("op", FOLDS)
@pytest.mark.parametrize("columns", [1, 5, 16, 33, 6912])
def test_folds_of_floats_are_close(op: str, columns: int):
    x = Value("%x", "tk", "f32")
    program = Program(0)
    program.columns, program.arguments, program.ops = columns, [x], []
    program.add("t1", "f32", [x], f"%r = {op} %a0, %o : f32", op)
    program.results = [program.values[-1]]
    tokens = 3
    numbers = np.random.default_rng(columns)
    inputs = [numbers.uniform(0.9, 1.1, (tokens, columns)).astype(np.float32)]
    (found,) = call_rows(row_kernel(program.text), program.text, inputs, tokens)
    exact = inputs[0].astype(np.float64)
    expected = {
        "arith.addf": 0.5 + exact.sum(1),
        "arith.mulf": 1.25 * exact.prod(1),
        "arith.maximumf": exact.max(1),
        "arith.minimumf": np.minimum(-3.0, exact.min(1)),
    }[op]
    limit = 1e-5 if op == "arith.mulf" else 2e-7
    np.testing.assert_allclose(found[:, 0], expected, rtol=limit)


@pytest.mark.parametrize("op", ["arith.addf", "arith.maximumf", "arith.minimumf"])
@pytest.mark.parametrize("place", [0, 17, 34])
def test_folds_keep_what_is_not_a_number(op: str, place: int):
    x = Value("%x", "tk", "f32")
    program = Program(0)
    program.columns, program.arguments, program.ops = 35, [x], []
    program.add("t", "f32", [x], f"%r = {op} %a0, %o : f32", op)
    program.results = [program.values[-1]]
    row = np.ones((1, 35), np.float32)
    row[0, place] = np.nan
    (found,) = call_rows(row_kernel(program.text), program.text, [row], 1)
    assert np.isnan(found).all()


@pytest.mark.parametrize(("columns", "tokens"), [(16, 16), (1, 1), (16, 1), (1, 16)])
def test_rows_are_told_from_tokens_where_the_sizes_are_alike(columns: int, tokens: int):
    w, x, s = Value("%w", "k", "f32"), Value("%x", "tk", "f32"), Value("%s", "t", "f32")
    program = Program(0)
    program.columns, program.arguments, program.ops = columns, [w, x, s], []
    program.add("tk", "f32", [x, w], "%r = arith.mulf %a0, %a1 : f32")
    program.add("tk", "f32", [program.values[-1], s], "%r = arith.addf %a0, %a1 : f32")
    program.results = [program.values[-1], s]
    numbers = np.random.default_rng(0)
    sizes = [(columns,), (tokens, columns), (tokens,)]
    inputs = [numbers.normal(size=size).astype(np.float32) for size in sizes]
    made = row_kernel(program.text, tokens)
    found = call_rows(made, program.text, inputs, tokens)
    np.testing.assert_array_equal(found[0], inputs[1] * inputs[0] + inputs[2][:, None])
    np.testing.assert_array_equal(found[1], inputs[2])


@pytest.mark.parametrize(
    ("columns", "kept", "room"),
    [(35, 3, 2), (144, 3, 2), (20_001, 2, 1), (40_000, 0, 0)],
)
def test_kept_rows_take_the_place_of_those_that_are_read_no_more(
    columns: int, kept: int, room: int
):
    """`a` is read last in the loop that makes `c`, `b` in the loop behind; wide rows are computed again."""
    x, y = Value("%x", "tk", "f32"), Value("%y", "tk", "f32")
    program = Program(0)
    program.columns, program.arguments, program.ops = columns, [x, y], []
    lines = ["%p0 = arith.mulf %a0, %a1 : f32"]
    for n in range(3):
        lines.append(f"%s{n} = arith.addf %p{n}, %a1 : f32")
        lines.append(f"%p{n + 1} = arith.mulf %s{n}, %a0 : f32")
    heavy = "\n".join([*lines, "%r = arith.addf %p3, %a0 : f32"])

    def add(shape: str, operands: list[Value], body: str, fold: str = "") -> Value:
        program.add(shape, "f32", operands, body, fold)
        return program.values[-1]

    def largest(row: Value) -> Value:
        op = "arith.maximumf"
        return add("t1", [row], f"%r = {op} %a0, %o : f32", op)

    a, b = add("tk", [x, y], heavy), add("tk", [y, x], heavy)
    both = add("t1", [largest(a), largest(b)], "%r = arith.addf %a0, %a1 : f32")
    sum_ = add("tk", [a, b], "%r = arith.addf %a0, %a1 : f32")
    c = add("tk", [sum_, both], heavy)
    end = add("tk", [c, largest(c)], "%r = arith.mulf %a0, %a1 : f32")
    program.results = [add("tk", [end, b], "%r = arith.subf %a0, %a1 : f32")]
    found = plan(row_program(function(parse(program.text(16)), "f")))
    places = [place for place in found.places.values() if isinstance(place, int)]
    assert (len(places), len(set(places))) == (kept, room)
    inputs = program.inputs(4)
    rows = call_rows(row_kernel(program.text), program.text, inputs, 4)
    expected = interpreted(program.text, inputs, 4)
    np.testing.assert_array_equal(rows[0], expected[0])
