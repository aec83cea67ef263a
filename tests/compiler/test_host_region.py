"""Regions as machine code: values beside eager PyTorch, for any tokens, from any threads."""

import threading
from collections.abc import Sequence
from math import ceil, prod
from pathlib import Path

import pytest
import torch
from region_testing import NOMINAL, Body, linear, norm, ternary_weight, traced
from torch import Tensor, nn
from torch.nn import functional

from dfc.errors import DfcError, ExecutionError
from dfc.frontends.lower import lower
from dfc.host.region import SCRATCH, HostRegion, compile_region
from dfc.region import NotTernary
from dfc.runtime.interpreter import run
from dfc.runtime.native.cache import ObjectCache
from dfc.runtime.native.cpu import NEEDS, flags

HERE = [isa for isa, needs in NEEDS.items() if needs <= flags()]
"""Instruction sets of this processor."""

TOKENS = (0, 1, 7, 128, 300)
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
CLOSE = {torch.float32: 1e-5, torch.bfloat16: 2e-2, torch.float16: 3e-3}
"""What one rounding may differ by, relative to the largest result."""


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> ObjectCache:
    return ObjectCache(tmp_path_factory.mktemp("objects"))


@pytest.fixture(scope="module")
def made(objects: ObjectCache) -> HostRegion:
    """Two layers of 32 columns."""
    return region(two, [32], two_weights(32, torch.float32), objects)


def region(
    body: Body, widths: Sequence[int], weights: Sequence[Tensor], objects: ObjectCache
) -> HostRegion:
    """The region of a function in the weights' dtype."""
    function = traced(body, widths, weights, weights[0].dtype)
    return compile_region(function, cache=objects)


def check(
    made: HostRegion, body: Body, rows: Sequence[Tensor], weights: Sequence[Tensor]
) -> None:
    """
    Results are eager's but for rounding; a value that lies between two integers may be rounded to the other.

    Such a flip changes one result's sum by one part of 127 of a weight, so its share of results is bounded.
    """
    results = made.run(rows, weights)
    lead = rows[0].shape[:-1]
    flat = [row.reshape(-1, row.shape[-1]) for row in rows]
    for got, flat_want in zip(results, body(*flat, *weights), strict=True):
        want = flat_want.reshape(*lead, flat_want.shape[-1])
        assert (got.dtype, got.shape) == (want.dtype, want.shape)
        assert got.is_contiguous()
        if want.numel():
            size = want.float().abs().max()
            off = (got.float() - want.float()).abs() / size
            assert (off > CLOSE[want.dtype]).float().mean() < 0.02
            assert off.max() < 0.05


def two(x: Tensor, a: Tensor, b: Tensor, bias: Tensor) -> list[Tensor]:
    """Two layers of one input."""
    return [linear(x, a), linear(x, b, bias)]


def two_weights(k: int, dtype: torch.dtype) -> list[Tensor]:
    weights = [ternary_weight(n, k, dtype, n) for n in (48, 35)]
    return [*weights, torch.linspace(-1, 1, 35).to(dtype)]


def attention_front(
    x: Tensor, g: Tensor, q: Tensor, k: Tensor, v: Tensor
) -> list[Tensor]:
    """Norm, then q, k and v."""
    h = norm(x, g)
    return [linear(h, q), linear(h, k), linear(h, v)]


def front_weights(k: int, dtype: torch.dtype) -> list[Tensor]:
    gain = torch.linspace(0.5, 1.5, k).to(dtype)
    return [gain, *(ternary_weight(n, k, dtype, n) for n in (k, 24, 23))]


def mlp(x: Tensor, r: Tensor, g: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """Gate and up with relu squared, norm, down."""
    gate = functional.relu(linear(x, a)).pow(2)
    return linear(norm(gate * linear(x, b), g), c) + r


def relu2(x: Tensor, r: Tensor, *weights: Tensor) -> list[Tensor]:
    return [mlp(x, r, *weights)]


def silu(x: Tensor, r: Tensor, g: Tensor, a: Tensor, b: Tensor, c: Tensor) -> list:
    """Gate and up with silu, down; the residual before and after."""
    del g
    y = functional.silu(linear(x, a)) * linear(x, b)
    return [linear(y, c) + r, x + r]


def mlp_weights(k: int, dtype: torch.dtype) -> list[Tensor]:
    wide = 2 * k + 6
    gain = torch.linspace(0.5, 1.5, wide).to(dtype)
    shapes = [(wide, k), (wide, k), (k, wide)]
    return [gain, *(ternary_weight(*shape, dtype, n) for n, shape in enumerate(shapes))]


BODIES = {
    "two": (two, two_weights, 1),
    "attention": (attention_front, front_weights, 1),
    "relu2": (relu2, mlp_weights, 2),
    "silu": (silu, mlp_weights, 2),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_values_are_those_of_eager(name: str, dtype: torch.dtype, objects: ObjectCache):
    body, weights_of, count = BODIES[name]
    width = 61
    weights = weights_of(width, dtype)
    made = region(body, [width] * count, weights, objects)
    random = torch.Generator().manual_seed(0)
    for tokens in TOKENS:
        rows = [torch.randn(tokens, width, generator=random).to(dtype)] * count
        check(made, body, rows, weights)


@pytest.mark.parametrize("width", [13, 61, 100])
@pytest.mark.parametrize("isa", HERE)
def test_packings_agree_to_the_last_bit(isa: str, width: int, objects: ObjectCache):
    """Rows of integers up to 127 are quantised without rounding: the interpreter's results are exact."""
    weights = two_weights(width, torch.float32)
    random = torch.Generator().manual_seed(width)
    x = torch.randint(-127, 128, (NOMINAL, width), generator=random).float()
    x[:, 0] = 127
    function = traced(two, [width], weights, torch.float32)
    named = {f"w{n}": w.numpy() for n, w in enumerate(weights, 1)}
    expected = run(lower([function]), function.name, [x.numpy()], weights=named)
    sizes: list[int] = []
    for packing in ("trits1in2", "trits3in5", None):
        made = compile_region(function, isa=isa, cache=objects, packing=packing)
        for got, want in zip(made.run([x], weights), expected, strict=True):
            assert torch.equal(got, torch.from_numpy(want))
        values = [made.plan.values[n] for n in made.plan.of_kind("weight")]
        sizes.append(sum(prod(v.inner) for v in values if v.dtype in ("int8", "uint8")))
    blocks = ceil(48 / 16) + ceil(35 / 16)
    two_bits, five_thirds = ceil(width / 16) * 64, ceil(width / 12) * 40
    assert sizes == [blocks * size for size in (two_bits, five_thirds, two_bits)]


def four(x: Tensor, *weights: Tensor) -> list[Tensor]:
    """Layers whose code is shared: two of whole blocks of rows, two that end within one."""
    return [linear(x, w) for w in weights]


@pytest.mark.parametrize("isa", HERE)
@pytest.mark.parametrize("width", [1, 16, 33, 256])
def test_every_instruction_set_gives_the_same_bits(
    isa: str, width: int, objects: ObjectCache
):
    weights = [ternary_weight(n, width, torch.float32, n) for n in (48, 35, 16, 7)]
    function = traced(four, [width], weights, torch.float32)
    made = compile_region(function, isa=isa, cache=objects)
    x = torch.randn(9, width, generator=torch.Generator().manual_seed(width))
    check(made, four, [x], weights)
    first = compile_region(function, isa="portable", cache=objects)
    for got, want in zip(made.run([x], weights), first.run([x], weights), strict=True):
        assert torch.equal(got, want)


@pytest.fixture
def threads(request: pytest.FixtureRequest):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("threads", [2, 5], indirect=True)
def test_results_do_not_depend_on_the_number_of_threads(
    threads: int, objects: ObjectCache
):
    weights = two_weights(200, torch.float32)
    made = region(two, [200], weights, objects)
    x = torch.randn(300, 200)
    several = made.run([x], weights)
    torch.set_num_threads(1)
    alone = made.run([x], weights)
    assert all(torch.equal(a, b) for a, b in zip(several, alone, strict=True))


class TestRows:
    """What a region takes as rows."""

    weights = two_weights(32, torch.float32)

    @pytest.mark.parametrize("shape", [(32,), (2, 3, 32), (1, 1, 1, 32), (2, 0, 32)])
    def test_any_leading_dimensions(self, made: HostRegion, shape: tuple[int, ...]):
        check(made, two, [torch.randn(shape)], self.weights)

    def test_rows_that_are_not_contiguous(self, made: HostRegion):
        check(made, two, [torch.randn(32, 7).t()], self.weights)
        check(made, two, [torch.randn(4, 64)[:, ::2]], self.weights)
        check(made, two, [torch.randn(1, 32).expand(5, 32)], self.weights)

    def test_rows_that_need_gradients_and_inference_tensors(self, made: HostRegion):
        x = torch.randn(3, 32, requires_grad=True)
        want = made.run([x.detach()], self.weights)
        with torch.inference_mode():
            got = made.run([x.clone()], self.weights)
        assert all(torch.equal(a, b) for a, b in zip(got, want, strict=True))
        assert torch.equal(made.run([x], self.weights)[0], want[0])

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            (torch.ones(2, 31), r"expected rows of \(32,\) in torch.float32, got"),
            (torch.ones(2, 32).double(), "got .* in torch.float64"),
            (torch.ones(2, 32, device="meta"), "expected rows on the CPU, got meta"),
        ],
    )
    def test_other_rows_are_refused(self, made: HostRegion, rows: Tensor, message: str):
        with pytest.raises(ExecutionError, match=message):
            made.run([rows], self.weights)

    def test_results_are_new_at_each_call(self, made: HostRegion):
        x = torch.randn(2, 32)
        first, second = made.run([x], self.weights), made.run([x], self.weights)
        first[0].zero_()
        assert second[0].abs().sum() > 0


def test_rows_of_different_numbers_are_refused(objects: ObjectCache):
    weights = mlp_weights(32, torch.float32)
    made = region(silu, [32, 32], weights, objects)
    with pytest.raises(ExecutionError, match="expected rows of as many tokens"):
        made.run([torch.ones(2, 32), torch.ones(3, 32)], weights)


def test_what_has_no_native_form_is_refused_by_name(objects: ObjectCache):
    def sorted_rows(x: Tensor, w: Tensor) -> list[Tensor]:
        return [linear(torch.cumsum(x, 0), w)]

    with pytest.raises(DfcError, match="`"):
        region(sorted_rows, [32], [ternary_weight(8, 32, torch.float32)], objects)


class TestWeights:
    """What is made of weights, and when again."""

    x = torch.randn(3, 32, generator=torch.Generator().manual_seed(5))

    @pytest.fixture
    def weights(self) -> list[nn.Parameter]:
        return [nn.Parameter(w) for w in two_weights(32, torch.float32)]

    def test_changes_are_seen(self, made: HostRegion, weights: list[nn.Parameter]):
        with torch.no_grad():
            check(made, two, [self.x], weights)
            weights[0].neg_()
            check(made, two, [self.x], weights)
            weights[2].add_(1)
            check(made, two, [self.x], weights)
            weights[1].data = ternary_weight(35, 32, torch.float32, 9)
            check(made, two, [self.x], weights)
            other = [nn.Parameter(w.detach().flip(0)) for w in weights]
            check(made, two, [self.x], other)
            check(made, two, [self.x], weights)

    def test_only_what_changed_is_made_again(
        self, made: HostRegion, weights: list[nn.Parameter]
    ):
        before = made.weights.get(weights).addresses
        with torch.no_grad():
            weights[0].neg_()
        after = made.weights.get(weights).addresses
        # the other layer's bytes and scale stay; a bias of odd length is copied each time
        assert len(set(before) & set(after)) == 2

    def test_a_weight_of_more_values_is_told(
        self, made: HostRegion, weights: list[nn.Parameter]
    ):
        with torch.no_grad():
            check(made, two, [self.x], weights)
            weights[0][0, 0] = 0.3
            for _ in range(2):
                with pytest.raises(NotTernary, match="`w1`"):
                    made.run([self.x], weights)
            weights[0][0, 0] = 0
            check(made, two, [self.x], weights)

    def test_another_shape_or_dtype_is_refused(
        self, made: HostRegion, weights: list[nn.Parameter]
    ):
        weights[0].data = weights[0].data[:, :16]
        with pytest.raises(ExecutionError, match=r"expected a weight `w1` of \(48, 32"):
            made.run([self.x], weights)
        weights[0].data = ternary_weight(48, 32, torch.float64)
        with pytest.raises(ExecutionError, match=r"in float32, got .* in float64"):
            made.run([self.x], weights)

    def test_weights_that_are_not_contiguous(
        self, made: HostRegion, weights: list[nn.Parameter]
    ):
        with torch.no_grad():
            weights[2].data = torch.randn(70)[::2]
            weights[0].data = ternary_weight(32, 48, torch.float32).t()
            check(made, two, [self.x], weights)

    def test_what_was_made_goes_with_the_weights(self, objects: ObjectCache):
        made = region(two, [32], two_weights(32, torch.float32), objects)
        weights = two_weights(32, torch.float32)
        made.run([self.x], weights)
        assert len(made.weights.cache.entries) == 1
        del weights
        assert not made.weights.cache.entries
        assert not any(group.cache.entries for group in made.weights.groups)

    def test_inference_tensors_are_made_again_unless_frozen(self, objects: ObjectCache):
        with torch.inference_mode():
            weights = two_weights(32, torch.float32)
        function = traced(two, [32], weights, torch.float32)
        made = compile_region(function, cache=objects)
        frozen = compile_region(function, cache=objects, freeze=True)
        with torch.inference_mode():
            before = frozen.run([self.x], weights)[0]
            made.run([self.x], weights)
            weights[0].neg_()
            check(made, two, [self.x], weights)
            assert torch.equal(frozen.run([self.x], weights)[0], before)

    def test_weights_are_exchanged_while_others_run(
        self, made: HostRegion, weights: list[nn.Parameter]
    ):
        """A call works on what its weights were when it began, or on what they are now."""
        choices = [ternary_weight(48, 32, torch.float32, n) for n in range(4)]
        rest = [w.detach() for w in weights[1:]]
        wanted = [made.run([self.x], [w, *rest])[0] for w in choices]
        stop, wrong = threading.Event(), list[str]()

        def call() -> None:
            with torch.no_grad():
                while not stop.is_set():
                    got = made.run([self.x], weights)[0]
                    if not any(torch.equal(got, want) for want in wanted):
                        wrong.append("a result of no weight")

        weights[0].data = choices[0].clone()
        callers = [threading.Thread(target=call) for _ in range(4)]
        for each in callers:
            each.start()
        for turn in range(200):
            weights[0].data = choices[turn % 4].clone()
        stop.set()
        for each in callers:
            each.join()
        assert not wrong


def test_eight_threads_call_one_region(objects: ObjectCache):
    weights = front_weights(64, torch.float32)
    made = region(attention_front, [64], weights, objects)
    rows = [torch.randn(n + 1, 64) for n in range(8)]
    wanted = [made.run([x], weights) for x in rows]
    wrong: list[int] = []

    def call(n: int) -> None:
        for _ in range(50):
            got = made.run([rows[n]], weights)
            if not all(torch.equal(a, b) for a, b in zip(got, wanted[n], strict=True)):
                wrong.append(n)

    callers = [threading.Thread(target=call, args=(n,)) for n in range(8)]
    for each in callers:
        each.start()
    for each in callers:
        each.join()
    assert not wrong


def test_memory_that_cannot_be_had_leaves_a_region_usable(
    objects: ObjectCache, monkeypatch: pytest.MonkeyPatch
):
    weights = two_weights(32, torch.float32)
    made = region(two, [32], weights, objects)
    x = torch.randn(3, 32)
    want = made.run([x], weights)

    def refuse(size: int) -> int:
        raise MemoryError(size)

    with monkeypatch.context() as patch:
        patch.setattr(SCRATCH, "get", refuse)
        with pytest.raises(MemoryError):
            made.run([x], weights)
    assert torch.equal(made.run([x], weights)[0], want[0])


class TestObjects:
    """Code that an earlier process left."""

    weights = two_weights(32, torch.float32)

    def make(self, folder: Path) -> HostRegion:
        return region(two, [32], self.weights, ObjectCache(folder))

    def test_a_second_compilation_runs_no_pass(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        first = self.make(tmp_path)
        monkeypatch.setattr("dfc.host.code.compiled", None)
        second = self.make(tmp_path)
        assert second.plan == first.plan
        check(second, two, [torch.randn(3, 32)], self.weights)

    def test_other_ir_is_another_object(self, tmp_path: Path):
        self.make(tmp_path)
        weights = two_weights(48, torch.float32)
        made = region(two, [48], weights, ObjectCache(tmp_path))
        assert len(list(tmp_path.iterdir())) == 2
        check(made, two, [torch.randn(3, 48)], weights)

    @pytest.mark.parametrize("rest", [b"", b"{}", b"no line\nand no object"])
    def test_a_damaged_entry_is_made_again(self, tmp_path: Path, rest: bytes):
        self.make(tmp_path)
        (entry,) = tmp_path.iterdir()
        ObjectCache(tmp_path).put(entry.stem, rest or entry.read_bytes()[:-9])
        check(self.make(tmp_path), two, [torch.randn(3, 32)], self.weights)
        data = entry.read_bytes()
        entry.write_bytes(data[: len(data) // 2])
        check(self.make(tmp_path), two, [torch.randn(3, 32)], self.weights)

    def test_a_folder_that_cannot_be_written(self, tmp_path: Path):
        folder = tmp_path / "file"
        folder.write_text("no folder")
        check(self.make(folder), two, [torch.randn(3, 32)], self.weights)
