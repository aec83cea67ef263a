# pyright: strict, reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""The zoo: architectures by name, built abstract or with seeded random weights."""

import tomllib
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from dfc.errors import ModelError, suggest

if TYPE_CHECKING:
    import torch
    from torch import nn

Linear = Literal["linear", "bitlinear", "autobitlinear", "autobitlinear-online"]
Dtype = Literal["float32", "float16", "bfloat16"]
DTYPES: tuple[str, ...] = get_args(Dtype)


class Input(BaseModel):
    """One input of a model that is not a language model."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    shape: list[NonNegativeInt]
    dtype: Literal["float32", "float16", "bfloat16", "int64", "bool"] = "float32"


class Entry(BaseModel):
    """One architecture of a zoo file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    class_name: str = Field(alias="class")
    source: str
    dtype: Dtype = "float32"
    linear: Linear = "linear"
    config: dict[str, Any] = Field(default_factory=dict)
    inputs: list[Input] = Field(default_factory=list[Input])


def read(path: str | None = None) -> dict[str, Entry]:
    """All entries of a zoo file, by name; dfc's own without a path."""
    label = path or "zoo.toml"
    try:
        text = Path(path or Path(__file__).with_name(label)).read_text()
        tables = tomllib.loads(text)
    except OSError:
        raise ModelError(f"expected a zoo file at `{label}`, found none") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"`{label}` is not TOML: {str(error).rstrip('.')}") from None
    return {name: entry(label, name, table) for name, table in tables.items()}


def entry(label: str, name: str, table: object) -> Entry:
    """One checked entry."""
    try:
        return Entry.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or name
        known = ", ".join(f.alias or n for n, f in Entry.model_fields.items())
        raise ModelError(
            f"`{label}`, model `{name}`, key `{key}`: {first['msg'].lower()};"
            f" the keys are {known}"
        ) from None


@cache
def known() -> dict[str, Entry]:
    """dfc's own zoo."""
    return read()


def find(spec: str) -> Entry:
    """The entry for `NAME` or `FILE.toml#NAME`."""
    path, _, name = spec.rpartition("#")
    entries = read(path) if path else known()
    if name not in entries:
        hint = suggest(name, entries)
        if not path and name.endswith(".toml"):
            hint = f"a file's model is `{name}#NAME`"
        raise ModelError(f"no model is called `{name}` in the zoo: {hint}")
    return entries[name]


def build(
    found: Entry, *, dtype: str | None = None, abstract: bool = True, seed: int = 0
) -> "nn.Module":
    """
    A model in evaluation mode: shapes without data, or random weights.

    Vectors (norm weights) get noise too, so that no factor of one hides a mistake.
    """
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    kind = getattr(torch, dtype_name(dtype or found.dtype))
    mode = FakeTensorMode(allow_non_fake_inputs=True) if abstract else nullcontext()
    ternary = found.linear != "linear"
    skipped = no_initialisation if abstract else linear_on_meta if ternary else None
    with mode, torch.no_grad(), default_dtype(kind), seeded(seed):
        with skipped() if skipped else nullcontext():
            model = construct(found)
        if hasattr(model, "tie_weights"):
            cast(Any, model).tie_weights()  # skipped together with drawing weights
        with no_initialisation():
            replace_linear(model, found.linear, kind, draw=not abstract)
        if not abstract:
            perturb_vectors(model)
    return model.eval()


def dtype_name(dtype: str) -> str:
    """A dtype's name, checked."""
    if dtype not in DTYPES:
        raise ModelError(f"expected a dtype of {', '.join(DTYPES)}, got `{dtype}`")
    return dtype


def construct(found: Entry) -> "nn.Module":
    """The model's class on its configuration."""
    module, _, name = found.class_name.rpartition(".")
    try:
        kind = getattr(import_module(module or "transformers"), name)
    except (ImportError, AttributeError):
        place = f"`{module}`" if module else "transformers"
        raise ModelError(f"expected a class `{name}` in {place}, found none") from None
    config_kind = getattr(kind, "config_class", None)
    try:
        if config_kind is None:
            return kind(**found.config)
        return kind(config_kind(**found.config))
    except Exception as error:  # transformers and the model's own code raise many kinds
        first = " ".join(str(error).split()).rstrip(".")
        raise ModelError(
            f"`{name}` does not take this configuration: {first}"
        ) from None


def replace_linear(
    model: "nn.Module", linear: Linear, dtype: "torch.dtype", draw: bool
) -> None:
    """Put a BitNet's linear class in place of every linear layer but the LM head."""
    if linear == "linear":
        return
    from torch import nn

    head = getattr(model, "get_output_embeddings", lambda: None)()
    for path, layer in list(model.named_modules()):
        if layer is head and layer.weight.is_meta:
            draw_head(layer, model)
        elif isinstance(layer, nn.Linear) and layer is not head:
            new = bitnet_layer(layer, linear, dtype)
            if draw:
                draw_weights(new, layer.in_features**-0.5)
            model.set_submodule(path, new)


def bitnet_layer(
    layer: "nn.Linear", linear: Linear, dtype: "torch.dtype"
) -> "nn.Module":
    """One of transformers' BitNet layers in the shape of a plain one."""
    from transformers.integrations.bitnet import AutoBitLinear, BitLinear

    size = (
        layer.in_features,
        layer.out_features,
        bool(getattr(layer, "bias", None) is not None),
    )
    if linear == "bitlinear":
        return BitLinear(*size, dtype=dtype)
    return AutoBitLinear(*size, dtype=dtype, online_quant=linear.endswith("online"))


def draw_head(head: Any, model: Any) -> None:
    """Random weights for an LM head that is not tied to the embedding."""
    import torch

    drawn = torch.empty_like(head.weight, device="cpu")
    drawn.normal_(std=model.config.initializer_range)
    head.weight = torch.nn.Parameter(drawn)


def draw_weights(layer: Any, typical: float) -> None:
    """Random weights for a BitNet layer, about `typical` in size."""
    import torch

    shape = tuple(layer.weight.shape)
    if layer.weight.dtype == torch.uint8:
        four = torch.arange(81, dtype=torch.uint8)  # every byte of four codes
        codes = torch.stack([(four // 3**i % 3) << 2 * i for i in range(4)]).sum(0)
        drawn = torch.randint(0, 81, shape, dtype=torch.uint8)
        layer.weight.copy_(torch.from_numpy(codes.byte().numpy()[drawn.numpy()]))
        layer.weight_scale.fill_(1 / typical)
    elif layer.online_quant:
        layer.weight.copy_(torch.randn(shape) * typical)
    else:
        layer.weight.copy_(torch.randint(-1, 2, shape))
        layer.weight_scale.fill_(typical)
    if layer.bias is not None:
        layer.bias.copy_(torch.randn(layer.bias.shape) * typical)


def perturb_vectors(model: "nn.Module") -> None:
    """Add noise to one-dimensional parameters."""
    import torch

    for parameter in model.parameters():
        if parameter.ndim == 1:
            parameter.add_(0.1 * torch.randn_like(parameter))


@contextmanager
def default_dtype(dtype: "torch.dtype") -> Generator[None]:
    """Within, new float tensors are of this dtype; rotary tables stay float32 by their own word."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def seeded(seed: int) -> Generator[None]:
    """Within, torch's random numbers follow from the seed; afterwards as before."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def linear_on_meta() -> Generator[None]:
    """Within, linear layers are built without data: those of a BitNet are replaced anyway."""
    from torch import nn
    from torch.nn.modules.module import register_module_parameter_registration_hook

    def without_data(module: nn.Module, _: str, given: nn.Parameter | None) -> Any:
        if given is None or not isinstance(module, nn.Linear):
            return None
        return nn.Parameter(given.to("meta"))

    hook = register_module_parameter_registration_hook(without_data)
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def no_initialisation() -> Generator[None]:
    """Within, modules are built without drawing weights."""
    from transformers.initialization import no_init_weights

    with no_init_weights():
        yield
