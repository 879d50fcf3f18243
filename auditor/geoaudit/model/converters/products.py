"""Matrix products."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from geoaudit.model.converters.operator import operator


@operator("MatMul")
def matmul(a: Tensor, b: Tensor) -> Tensor:
    """Matrix product, stacked and broadcast as numpy's."""
    return torch.matmul(a, b)


@operator("Gemm", since=7)
def gemm(
    a: Tensor, b: Tensor, c: Tensor | None = None, *, alpha: float = 1.0, beta: float = 1.0, transA: int = 0,
    transB: int = 0,
) -> Tensor:  # fmt: skip
    """alpha A B + beta C, with C broadcast."""
    a = a.t() if transA else a
    if transB and alpha == 1 and (c is None or (beta == 1 and c.dim() == 1 and len(c) == len(b))):
        return functional.linear(a, b, c)
    b = b.t() if transB else b
    if not a.is_floating_point():
        alpha, beta = int(alpha), int(beta)
    if c is None:
        product = a @ b
        return product if alpha == 1 else product * alpha
    return torch.addmm(c, a, b, beta=beta, alpha=alpha)


@operator("Gemm")
def gemm_1(
    a: Tensor, b: Tensor, c: Tensor, *, alpha: float = 1.0, beta: float = 1.0, broadcast: int = 0, transA: int = 0,
    transB: int = 0,
) -> Tensor:  # fmt: skip
    """As later versions, but C is broadcast only where `broadcast` says so."""
    y = gemm(a, b, c, alpha=alpha, beta=beta, transA=transA, transB=transB)
    if not broadcast and y.shape != c.shape:
        raise ValueError(f"broadcast 0, but C of shape {list(c.shape)} for {list(y.shape)}")
    return y


@operator("Einsum")
def einsum(*inputs: Tensor, equation: str) -> Tensor:
    """Sum of products by Einstein's convention."""
    y: Tensor = torch.einsum(equation, *inputs)
    return y
