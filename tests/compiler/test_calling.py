"""A compiled module is called as the module is: same structure, state updated, nothing silently other."""

import copy

import pytest
import torch
from torch import nn

import dfc
from dfc.runtime.errors import ModelError


class Scaled(nn.Module):
    """Updates its argument; what it computes depends on arguments that are no tensors."""

    def forward(self, x, factor=2, flip=False):
        """The argument plus one, scaled."""
        x.add_(1)
        y = x * factor
        return {"y": -y if flip else y, "factor": factor, "none": (None, x)}


class Counting(nn.Module):
    """Counts its calls and keeps a mean, in buffers."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(4))

    def forward(self, x):
        """A linear layer, scaled by the number of calls."""
        self.calls += 1
        y = self.linear(x)
        self.mean.mul_(0.5).add_(y.mean(0))
        return y * self.calls


def compiled(model: nn.Module, *args, **kwargs):
    return dfc.compile(model, args, kwargs, target="tiny-npu")


def test_arguments_are_updated_and_results_keep_their_structure():
    program = compiled(Scaled(), torch.zeros(3))
    x = torch.randn(3)
    eager = x.clone()
    expected, found = Scaled()(eager), program(x)
    assert found["factor"] == 2
    assert found["none"][0] is None
    torch.testing.assert_close(found["y"], expected["y"])
    torch.testing.assert_close(found["none"][1], expected["none"][1])
    torch.testing.assert_close(x, eager)


def test_buffers_are_updated():
    model = Counting().eval()
    other = copy.deepcopy(model)
    program = compiled(other, torch.randn(2, 4))
    with torch.no_grad():
        for _ in range(3):
            x = torch.randn(2, 4)
            torch.testing.assert_close(program(x), model(x))
            torch.testing.assert_close(other.calls, model.calls)
            torch.testing.assert_close(other.mean, model.mean)


def test_arguments_by_name_and_by_position_are_the_same():
    program = compiled(Scaled(), torch.zeros(3), 2.5)
    assert program(x=torch.ones(3), factor=2.5)["y"].tolist() == [5, 5, 5]


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((torch.zeros(3), 3.0), {}, "expected `2` as in the example call, got `3.0`"),
        ((torch.zeros(3),), {"flip": True}, "expected `False` .* got `True`"),
        ((torch.zeros(3), torch.ones(3)), {}, "got a tensor: compile again"),
        (([1.0],), {}, "nested as in the example call"),
        ((None,), {}, "expected a tensor as in the example call, got `NoneType`"),
        ((), {}, "arguments that `Scaled` takes: missing a required argument: 'x'"),
        ((torch.zeros(3),), {"flop": 1}, "unexpected keyword argument 'flop'"),
        ((torch.zeros(4),), {}, r"expected float32 of shape \(3,\)"),
        ((torch.zeros(3).half(),), {}, "expected float32 .* got float16"),
    ],
)
def test_another_call_than_the_example_is_refused(args, kwargs, message):
    program = compiled(Scaled(), torch.zeros(3))
    with pytest.raises(ModelError, match=message):
        program(*args, **kwargs)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "missing a required argument"),
        ((torch.zeros(2, 3),), "that `Linear` runs on, it raised RuntimeError"),
        (torch.zeros(2, 8), "too many positional arguments|runs on"),
    ],
)
def test_examples_that_do_not_suit_are_refused(args, message, capfd):
    with pytest.raises(ModelError, match=message):
        dfc.compile(nn.Linear(8, 4), args)
    assert "Traceback" not in capfd.readouterr().err


def test_a_bug_while_tracing_is_not_blamed_on_the_arguments(monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("dfc.frontends.example.trace", broken)
    with pytest.raises(ZeroDivisionError):
        compiled(nn.Linear(8, 4), torch.zeros(2, 8))


def test_what_cannot_be_lowered_is_named_with_the_way_around():
    class Ordered(nn.Module):
        def forward(self, x):
            return x.topk(2)[1]

    with pytest.raises(ModelError, match=r'`:topk`.*torch.compile\(.*backend="dfc"\)'):
        compiled(Ordered(), torch.randn(4, 5))


def test_a_model_that_looks_at_its_mask_when_it_is_not_exported():
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes = {"n_layer": 1, "n_head": 2, "n_embd": 16, "vocab_size": 31}
    tokens = {"bos_token_id": 0, "eos_token_id": 0, "n_positions": 16}
    model = GPT2LMHeadModel(GPT2Config(**sizes, **tokens, use_cache=False)).eval()
    ids = torch.randint(0, 31, (1, 5))
    with torch.no_grad():
        expected = model(ids).logits
    found = compiled(model, ids)(ids).logits
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
