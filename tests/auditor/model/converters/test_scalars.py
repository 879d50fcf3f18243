"""Numbers that come as tensors."""

from __future__ import annotations

import pytest
import torch

from geoaudit.model.converters.scalars import number


class Far(torch.Tensor):
    """A tensor that says it lies on an accelerator, and counts how often it is read from there."""

    device = torch.device("cuda")
    reads = 0

    def item(self) -> float:
        Far.reads += 1
        return super().item()


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
