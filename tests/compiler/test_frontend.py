"""Language models and modules at tensor level: structure, values against PyTorch, origins."""

import numpy as np
import pytest
import torch
from frontend_testing import agree, error, expose, function
from torch import nn
from xdsl.dialects.builtin import IndexType, IntegerAttr, StringAttr

from dfc import zoo
from dfc.frontends import (
    eager_run,
    eager_values,
    load_model,
    trace_language_model,
    trace_module,
)
from dfc.frontends.functions import Function
from dfc.runtime.errors import ModelError
from dfc.runtime.interpreter import run

TINY = ("bitnet-tiny", "llama-tiny")


@pytest.fixture(scope="module", params=TINY)
def traced(request: pytest.FixtureRequest):
    return load_model(f"zoo:{request.param}", prefill=6, decode=3, abstract=False)


def test_prefill_then_decode_equal_the_unprepared_model(traced):
    ids, *caches = traced.random_inputs("prefill", seed=1)
    logits, *caches = agree(traced, "prefill", [ids, *caches])
    tokens = torch.tensor([[*ids[0].tolist(), 7]])
    with torch.no_grad():
        want = traced.original(tokens, use_cache=False).logits.numpy()
    assert error(logits[:, 0], want[:, 5]) < 1e-5
    logits, *_ = agree(traced, "decode", [np.array([[7]]), 6, *caches])
    assert error(logits[:, 0], want[:, 6]) < 1e-5


def test_layers_are_calls_of_one_private_function(traced):
    layer = function(traced, "prefill_layer")
    assert layer.sym_visibility == StringAttr("private")
    calls = [op for op in function(traced, "prefill").walk() if op.name == "func.call"]
    assert [op.callee.string_value() for op in calls] == ["prefill_layer"] * 2


def test_both_entries_take_the_same_weights_and_alias_the_caches(traced):
    names, aliases = [], []
    for entry in ("prefill", "decode"):
        rows = [row.data for row in function(traced, entry).arg_attrs.data]
        names.append([r["dfc.weight"].data for r in rows if "dfc.weight" in r])
        aliases.append(
            [r["tf.aliasing_output"] for r in rows if "tf.aliasing_output" in r]
        )
    assert names[0] == names[1] == list(traced.weights)
    results = [IntegerAttr(n, 32) for n in (1, 2, 3, 4)]
    assert aliases == [results, results]


def test_position_is_an_index_and_caches_have_room_for_all_tokens(traced):
    kinds = function(traced, "decode").function_type.inputs.data
    assert kinds[1] == IndexType()
    assert kinds[2].get_shape() == (1, 2, 9, 48)
    (sdpa,) = [
        op
        for op in function(traced, "decode_layer").walk()
        if op.name == "attention.sdpa"
    ]
    assert sdpa.position is not None
    (sdpa,) = [
        op
        for op in function(traced, "prefill_layer").walk()
        if op.name == "attention.sdpa"
    ]
    assert sdpa.position is None
    assert sdpa.k.type.get_shape() == (1, 2, 6, 48)


def test_every_value_with_an_origin_is_eagers(traced):
    name = "prefill"
    own = load_model("zoo:bitnet-tiny", prefill=6, decode=1, abstract=False)
    inputs = own.random_inputs(name, seed=2)
    eager = eager_values(own, name, inputs)
    results = len(eager_run(own, name, inputs))
    identities = expose(own, name)
    got = run(own.module, name, inputs, weights=own.weights)[results:]
    missing = [i for i in identities if ((), i) not in eager]
    assert not missing
    worst = {i: error(g, eager[(), i]) for i, g in zip(identities, got, strict=True)}
    assert max(worst.values()) < 1e-5, worst


def test_origins_are_unique_within_a_function(traced):
    for op in traced.module.ops:
        found = [str(each.attributes["dfc.origin"]) for each in op.body.block.ops]
        assert len(set(found)) == len(found)


def test_eager_values_name_each_layer_by_its_call():
    own = load_model("zoo:bitnet-tiny", prefill=4, decode=0, abstract=False)
    values = eager_values(own, "prefill", own.random_inputs("prefill"))
    paths = {path for path, _ in values}
    assert [p[0].partition(":")[0] for p in sorted(paths) if p] == [
        "model.layers.0",
        "model.layers.1",
    ]
    part = next(i for p, i in values if p and i.endswith("q_proj:linear#quantize.0"))
    quantised = [values[path, part] for path in sorted(paths) if path]
    assert quantised[0].dtype == np.int8
    assert not np.array_equal(*quantised)


def test_abstract_weights_give_the_same_module():
    abstract = load_model("zoo:bitnet-tiny", prefill=4, decode=2, abstract=True)
    real = load_model("zoo:bitnet-tiny", prefill=4, decode=2, abstract=False)
    assert abstract.weights is None
    assert str(abstract.module) == str(real.module)
    with pytest.raises(ModelError, match="expected weights"):
        eager_run(abstract, "prefill", abstract.random_inputs("prefill"))


def test_the_seed_decides_the_weights():
    one, same, other = (
        load_model(
            "zoo:llama-tiny", prefill=2, decode=0, abstract=False, seed=seed
        ).weights
        for seed in (1, 1, 2)
    )
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not all(np.array_equal(one[name], other[name]) for name in one)


def test_prefill_alone_decode_alone_and_neither():
    assert load_model("zoo:llama-tiny", prefill=2, decode=0).entries == ("prefill",)
    alone = load_model("zoo:llama-tiny", prefill=0, decode=1, capacity=32)
    assert alone.entries == ("decode",)
    assert alone.inputs("decode")[2].shape == (1, 2, 32, 48)
    with pytest.raises(ModelError, match="got neither"):
        load_model("zoo:llama-tiny", prefill=0, decode=0, capacity=1)


@pytest.mark.parametrize(
    ("name", "dtype"), [("bitnet-tiny", "float16"), ("llama-tiny", "bfloat16")]
)
def test_half_precision_agrees_with_eager(name: str, dtype: str):
    own = load_model(f"zoo:{name}", prefill=5, decode=1, dtype=dtype, abstract=False)
    precision = torch.finfo(getattr(torch, dtype)).eps
    agree(own, "prefill", own.random_inputs("prefill", seed=3), 4 * precision)


def test_batch_and_window():
    from transformers import MistralConfig, MistralForCausalLM

    config = MistralConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=64,
        sliding_window=3,
    )
    with zoo.seeded(0):
        model = MistralForCausalLM(config).eval()
    own = trace_language_model(model, prefill=6, decode=2, batch=2)
    ids, *caches = own.random_inputs("prefill")
    logits, *caches = agree(own, "prefill", [ids, *caches])
    tokens = torch.cat([torch.from_numpy(ids), torch.tensor([[1], [2]])], 1)
    with torch.no_grad():
        want = model(tokens, use_cache=False).logits.numpy()
    assert error(logits[:, 0], want[:, 5]) < 1e-5
    logits, *_ = agree(own, "decode", [tokens[:, 6:].numpy(), 6, *caches])
    assert error(logits[:, 0], want[:, 6]) < 1e-5


class Small(nn.Module):
    """Layer and batch norm, both GELUs, softmax, a constant tensor, a result in a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(16, 32), nn.Linear(32, 8)
        self.norm, self.batch_norm = nn.LayerNorm(32), nn.BatchNorm1d(8)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        hidden = self.norm(nn.functional.gelu(self.up(x), approximate="tanh"))
        scores = self.batch_norm(self.down(nn.functional.gelu(hidden)))
        return {"y": torch.softmax(scores * torch.arange(8.0), -1)}


def test_module_equals_pytorch():
    with zoo.seeded(0):
        model, x = Small().eval(), torch.randn(4, 16)
    own = trace_module(model, (x,))
    (got,) = agree(own, "main", [x.numpy()])
    with torch.no_grad():
        assert error(got, model(x)["y"].numpy()) < 1e-6


def test_a_buffer_that_changes_is_a_state():
    class Counter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("count", torch.zeros(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.count.add_(1)
            return x + self.count

    own = trace_module(Counter(), (torch.ones(3),))
    (state,) = [a for a in own.inputs("main") if a.kind == "state"]
    assert (state.name, state.alias) == ("count", 1)
    y, count = agree(own, "main", [np.ones(3, np.float32), np.full(3, 4, np.float32)])
    assert (y.tolist(), count.tolist()) == ([6] * 3, [5] * 3)


def test_tied_weights_are_one_argument():
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.head = nn.Embedding(8, 4), nn.Linear(4, 8, bias=False)
            self.head.weight = self.table.weight

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.head(self.table(ids))

    own = trace_module(Tied(), (torch.tensor([1, 2]),))
    assert list(own.weights) == ["table.weight"]
    agree(own, "main", [np.array([3, 1])])


def test_repeated_layers_that_differ_in_a_setting_are_not_one_function():
    def block(slope: float) -> nn.Module:
        return nn.Sequential(nn.Linear(4, 4), nn.LeakyReLU(slope))

    model = nn.Sequential(block(0.1), block(0.1), block(0.3), block(0.1))
    own = trace_module(model, (torch.randn(2, 4),))
    calls = [op for op in function(own, "main").walk() if op.name == "func.call"]
    assert len(calls) == 3
    agree(own, "main", own.random_inputs("main"))


def test_exported_program(tmp_path):
    with zoo.seeded(0):
        model, x = Small().eval(), torch.randn(4, 16)
    path = tmp_path / "small.pt2"
    torch.export.save(torch.export.export(model, (x,)), path)
    own = load_model(str(path))
    assert "up.weight" in own.weights
    (got,) = agree(own, "main", [x.numpy()])
    with torch.no_grad():
        assert error(got, model(x)["y"].numpy()) < 1e-6


def test_text_is_read_as_it_is(tmp_path):
    path = tmp_path / "m.mlir"
    path.write_text(
        "func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> { func.return %x : tensor<2xf32> }"
    )
    own = load_model(str(path))
    assert (own.entries, own.weights) == (("main",), None)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("model.onnx", "file, got `model.onnx`: other files are not read"),
        ("absent.pt2", "expected a model file at `absent.pt2`"),
        ("zoo:bitnet-tinny", "did you mean `bitnet-tiny`"),
    ],
)
def test_models_that_are_none(spec: str, message: str):
    with pytest.raises(ModelError, match=message):
        load_model(spec)


def test_a_file_that_is_no_program(tmp_path):
    path = tmp_path / "m.pt2"
    path.write_bytes(b"nothing")
    with pytest.raises(
        ModelError, match=r"is not a program saved by torch\.export"
    ) as error_:
        load_model(str(path))
    assert "\n" not in str(error_.value)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "expected 1 inputs for `main`, got 0"),
        ([np.ones((2, 5), np.float32)], r"expected float32 of shape \(2, 4\)"),
        ([np.ones((2, 4), np.float64)], "got float64"),
    ],
)
def test_wrong_inputs_are_one_sentence(inputs: list, message: str):
    own = trace_module(nn.Linear(4, 4), (torch.randn(2, 4),))
    with pytest.raises(ModelError, match=message):
        eager_run(own, "main", inputs)


def test_function_order_of_arguments_is_inputs_then_weights(traced):
    found: Function = traced.functions["decode"]
    kinds = [argument.kind for argument in found.arguments]
    assert kinds[:2] == ["input", "position"]
    assert kinds.index("weight") == 2 + 4
    assert set(kinds[6:]) == {"weight"}


def test_what_depends_on_nothing_is_a_constant_even_inside_a_layer():
    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.own = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            mask = torch.arange(4)[None] <= torch.arange(4)[:, None]
            return self.own(x) * mask.float() + torch.tensor([1.0, 2, 3, 4])

    model = nn.Sequential(Layer(), Layer())
    own = trace_module(model, (torch.randn(4, 4),))
    constants = [name for name in own.weights if "constant" in name]
    assert {own.weights[name].shape for name in constants} == {(4,), (4, 4)}
    names = {op.name for op in own.module.walk()}
    assert not names & {"linalg.index", "arith.cmpi"}
    x = torch.randn(4, 4)
    (got,) = agree(own, "main", [x.numpy()])
    with torch.no_grad():
        assert error(got, model(x).numpy()) < 1e-6


def test_an_operator_that_is_not_lowered_is_named():
    model = nn.Sequential(nn.ReLU(), nn.ConvTranspose1d(4, 4, 3))
    with pytest.raises(ModelError, match=r"`1:.*no lowering for `linalg\.conv_1d"):
        trace_module(model, (torch.randn(1, 4, 8),))


def test_random_numbers_are_no_constants():
    class Noise(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + torch.rand(4, 4)

    with pytest.raises(ModelError, match="`:rand`"):
        trace_module(Noise(), (torch.randn(4, 4),))


class Attending(nn.Module):
    """PyTorch's own attention, on grouped heads where `group` is not 1."""

    def __init__(self, group: int = 1, depth: int = 8) -> None:
        super().__init__()
        self.group, self.depth = group, depth

    def forward(self, q: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        k = q[:, :: self.group]
        v = k[..., : self.depth]
        return nn.functional.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, enable_gqa=self.group > 1
        )


@pytest.mark.parametrize("group", [1, 2])
def test_pytorchs_attention_becomes_the_op(group: int):
    with zoo.seeded(0):
        q, mask = torch.randn(2, 4, 5, 8), torch.rand(5, 5) < 0.7
    mask[2] = False
    model = Attending(group)
    own = trace_module(model, (q, mask))
    assert "attention.sdpa" in {op.name for op in own.module.walk()}
    (got,) = agree(own, "main", [q.numpy(), mask.numpy()])
    assert error(got, model(q, mask).numpy()) < 1e-6


def test_attention_that_the_op_does_not_say_is_written_out():
    with zoo.seeded(0):
        q, mask = torch.randn(2, 4, 5, 8), torch.ones(5, 5, dtype=torch.bool)
    model = Attending(depth=4)
    own = trace_module(model, (q, mask))
    assert "attention.sdpa" not in {op.name for op in own.module.walk()}
    (got,) = agree(own, "main", [q.numpy(), mask.numpy()])
    assert error(got, model(q, mask).numpy()) < 1e-6


def test_an_exported_programs_three_valued_layers_are_ternary(tmp_path):
    with zoo.seeded(0):
        model, x = nn.Sequential(nn.Linear(16, 8), nn.Linear(8, 4)), torch.randn(3, 16)
    model[0].weight.data = torch.randint(-1, 2, (8, 16)) * 0.5
    path = tmp_path / "m.pt2"
    torch.export.save(torch.export.export(model, (x,)), path)
    own = load_model(str(path))
    names = [op.name for op in own.module.walk()]
    assert names.count("ternary.linear") == 1
    assert names.count("linalg.matmul") == 1
    agree(own, "main", [x.numpy()])


@pytest.mark.parametrize("kind", ["shape", "branch"])
def test_what_depends_on_data_is_one_sentence(kind: str):
    class Model(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if kind == "shape":
                return torch.nonzero(x)
            return x * 2 if x.sum() > 0 else x

    with pytest.raises(ModelError, match="depend on data"):
        trace_module(Model(), (torch.ones(3),))
