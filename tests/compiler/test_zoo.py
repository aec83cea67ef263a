"""The zoo: what its entries build, and one sentence for each thing that is wrong in a file."""

from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensor

from dfc import zoo
from dfc.frontends import load_model
from dfc.runtime.errors import ModelError

SHAPES = {
    "bitnet-b1.58-large": (24, 1536, 4096, 16, 16, 32002),
    "bitnet-b1.58-2b-4t": (30, 2560, 6912, 20, 5, 128256),
    "llama-3.2-1b": (16, 2048, 8192, 32, 8, 128256),
    "llama2-7b": (32, 4096, 11008, 32, 32, 32000),
    "llama2-70b": (80, 8192, 28672, 64, 8, 32000),
    "bitnet-tiny": (2, 192, 512, 4, 2, 512),
    "llama-tiny": (2, 192, 512, 4, 2, 512),
}
DTYPES = {
    "bitnet-b1.58-large": torch.float16,
    "bitnet-b1.58-2b-4t": torch.bfloat16,
    "llama-3.2-1b": torch.bfloat16,
    "llama2-7b": torch.bfloat16,
    "llama2-70b": torch.bfloat16,
    "bitnet-tiny": torch.float32,
    "llama-tiny": torch.float32,
}


@pytest.mark.parametrize("name", SHAPES)
def test_entry_has_its_published_shape_and_allocates_nothing(name: str):
    model = zoo.build(zoo.find(name), abstract=True)
    config = model.config
    assert SHAPES[name] == (
        config.num_hidden_layers,
        config.hidden_size,
        config.intermediate_size,
        config.num_attention_heads,
        config.num_key_value_heads,
        config.vocab_size,
    )
    assert all(isinstance(p, FakeTensor) for p in model.parameters())
    assert model.lm_head.weight.dtype == DTYPES[name]
    assert model.lm_head.weight.shape == (config.vocab_size, config.hidden_size)


def test_every_entry_is_listed_here_and_says_where_it_is_from():
    assert set(zoo.known()) == set(SHAPES)
    assert all(entry.source for entry in zoo.known().values())


def test_large_has_seven_hundred_million_parameters():
    model = zoo.build(zoo.find("bitnet-b1.58-large"))
    parameters = sum(p.numel() for p in model.parameters())
    # 24 x (4 x 1536^2 + 3 x 1536 x 4096) + 32002 x 1536, and the norms
    assert 728_000_000 < parameters < 730_000_000


@pytest.mark.parametrize(
    ("linear", "kind"),
    [
        ("linear", "Linear"),
        ("bitlinear", "BitLinear"),
        ("autobitlinear", "AutoBitLinear"),
        ("autobitlinear-online", "AutoBitLinear"),
    ],
)
def test_linear_chooses_the_class_but_not_of_the_head(linear: str, kind: str):
    entry = zoo.find("bitnet-tiny").model_copy(update={"linear": linear})
    model = zoo.build(entry)
    layer = model.model.layers[0].mlp.up_proj
    assert type(layer).__name__ == kind
    assert getattr(layer, "online_quant", None) in (None, linear.endswith("online"))
    assert type(model.lm_head) is torch.nn.Linear


@pytest.mark.parametrize("tied", [True, False])
def test_packed_weights_never_stand_in_floats(tied: bool):
    found = zoo.find("bitnet-tiny")
    config = {**found.config, "tie_word_embeddings": tied}
    entry = found.model_copy(update={"linear": "bitlinear", "config": config})
    model = zoo.build(entry, abstract=False)
    assert not any(t.is_meta for t in (*model.parameters(), *model.buffers()))
    assert (model.lm_head.weight is model.model.embed_tokens.weight) == tied
    assert model.lm_head.weight.std().item() == pytest.approx(0.02, rel=0.1)
    packed = model.model.layers[1].mlp.down_proj.weight
    assert packed.shape == (48, 512)
    codes = torch.stack([packed >> 2 * i & 3 for i in range(4)])
    counts = torch.bincount(codes.flatten().long()) / codes.numel()
    assert counts.tolist() == pytest.approx([1 / 3] * 3, abs=0.01)  # never a 3
    again = zoo.build(entry, abstract=False).model.layers[1].mlp.down_proj.weight
    assert torch.equal(packed, again)


def test_dtype_is_the_entrys_unless_given_and_tables_stay_float32():
    model = zoo.build(zoo.find("llama-tiny"), dtype="float16", abstract=False)
    assert model.lm_head.weight.dtype == torch.float16
    assert model.model.rotary_emb.inv_freq.dtype == torch.float32
    assert torch.get_default_dtype() == torch.float32
    with pytest.raises(ModelError, match="expected a dtype of float32, float16"):
        zoo.build(zoo.find("llama-tiny"), dtype="int8")


def write(folder: Path, text: str) -> str:
    path = folder / "own.toml"
    path.write_text(text)
    return f"{path}#mine"


def test_a_users_own_file(tmp_path: Path):
    spec = write(
        tmp_path,
        """[mine]
        class = "torch.nn.Linear"
        source = "a test"
        config = { in_features = 4, out_features = 3 }
        inputs = [{ shape = [2, 4] }]
        """,
    )
    traced = load_model(f"zoo:{spec}")
    assert traced.entries == ("main",)
    assert [a.shape for a in traced.inputs("main")] == [(2, 4)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[mine", "is not TOML"),
        ("[mine]\nsource = 'x'", "key `class`: field required"),
        ("[mine]\nclass = 'A'\nsource = 'x'\nlayers = 3", "key `layers`: extra inputs"),
        ("[mine]\nclass = 'A'\nsource = 'x'\nlinear = 'bit'", "key `linear`"),
        (
            "[mine]\nclass = 'NoSuchModel'\nsource = 'x'",
            "expected a class `NoSuchModel`",
        ),
        ("[mine]\nclass = 'no.such.Model'\nsource = 'x'", "expected a class `Model`"),
        (
            "[mine]\nclass = 'torch.nn.Linear'\nsource = 'x'\nconfig = {a = 1}",
            "does not take",
        ),
        ("[other]\nclass = 'A'\nsource = 'x'", "no model is called `mine`"),
    ],
)
def test_what_is_wrong_in_a_file_is_one_sentence(
    tmp_path: Path, text: str, message: str
):
    with pytest.raises(ModelError, match=message) as error:
        load_model(f"zoo:{write(tmp_path, text)}")
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there():
    with pytest.raises(ModelError, match=r"expected a zoo file at `absent\.toml`"):
        zoo.find("absent.toml#mine")
