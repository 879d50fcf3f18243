"""Numbers that come as tensors."""

from __future__ import annotations

import pytest
import torch

from geoaudit.model.converters.operator import ints
from geoaudit.model.converters.scalars import number


class Far(torch.Tensor):
    """A tensor that says it lies on an accelerator, and counts how often it is read from there."""

    device = torch.device("cuda")
    reads = 0

    def reshape(self, *shape: int) -> torch.Tensor:
        Far.reads += 1
        return self.as_subclass(torch.Tensor).reshape(*shape)


def test_a_number_is_read_from_an_accelerator_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Far, "reads", 0)
    bound, other = torch.tensor(6.0).as_subclass(Far), torch.tensor([7]).as_subclass(Far)
    assert [number(bound), number(bound), number(other), number(bound)] == [6, 6, 7, 6]
    assert Far.reads == 2


def test_a_number_that_was_written_to_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Far, "reads", 0)
    bound = torch.tensor(6.0).as_subclass(Far)
    assert number(bound) == 6
    bound.fill_(5)
    assert number(bound) == 5


def test_several_numbers_are_no_number() -> None:
    with pytest.raises(RuntimeError):
        number(torch.zeros(2))


def test_several_numbers_on_an_accelerator_are_no_number_either() -> None:
    with pytest.raises(RuntimeError, match="2 elements"):
        number(torch.zeros(2).as_subclass(Far))


def test_a_shape_is_read_from_an_accelerator_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Far, "reads", 0)
    shape = torch.tensor([[1, -1]]).as_subclass(Far)
    first = ints(shape)
    first.append(7)  # the list is the caller's
    assert ints(shape) == [1, -1] and Far.reads == 1
    shape.fill_(3)
    assert ints(shape) == [3, 3] and Far.reads == 2
