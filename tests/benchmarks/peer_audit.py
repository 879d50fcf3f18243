"""The same work as a quick audit, put together from the peers as a competent user would: started by audit.py.

    python tests/benchmarks/peer_audit.py MODEL WORK.npz COUNTS.json OUT.json [--photographs N] [--checks N]

WORK.npz holds the preprocessed photographs, their targets and their baseline, which the peers get for nothing, as they
get the report, the statistics, the certificate and the calibration that they do not make.  COUNTS.json says how many
gradients and masked forwards the audit spent on each method.  Stages that grow with the photographs are measured on
the first N of them and told with the count, so that the caller can scale them; the checks always are made on as many
as the audit made them on, unless fewer are asked for.
"""

from __future__ import annotations

from time import perf_counter

_BEGUN = perf_counter()

import argparse  # noqa: E402  # imports count
import json  # noqa: E402
import sys  # noqa: E402
import warnings  # noqa: E402
from collections.abc import Iterator, Mapping  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from dataclasses import replace  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import onnx  # noqa: E402
import torch  # noqa: E402
from peer_methods import Ask, Maps, explain, saliency_xrai  # noqa: E402
from peer_scores import scored, swept  # noqa: E402

from geoaudit.model.cores import usable_cores  # noqa: E402

BATCHES = (4, 8, 16, 32)
"""Gradient batches, and forward batches, that are tried; the fastest serves wherever a peer takes one."""


def main() -> int:
    """Do the work and write the seconds of every stage."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    for name in ("model", "work", "counts", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--photographs", type=int, default=8, metavar="N", help="of the maps and scores; 8")
    parser.add_argument("--checks", type=int, metavar="N", help="photographs of the checks, instead of the audit's")
    parser.add_argument("--settle", action="store_true", help="only find the fastest batches, and write them")
    parser.add_argument("--batch", type=int, default=8, metavar="N", help="points of a gradient batch; 8")
    parser.add_argument("--forward-batch", type=int, default=8, metavar="N", help="pictures of a forward batch; 8")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(usable_cores())  # as many as geoaudit takes, whatever the environment says
    counts = json.loads(options.counts.read_text(encoding="utf-8"))
    audit = PeerAudit(options.model, options.work, counts, options.batch, options.forward_batch)
    if options.settle:
        audit.settle()
        options.out.write_text(json.dumps({"batch": audit.batch, "forward_batch": audit.forwards}), encoding="utf-8")
        return 0
    with torch.random.fork_rng():
        maps = audit.explain(options.photographs)
        audit.score(maps)
        audit.repeat(maps, options.checks)
        audit.randomise(options.checks)
        audit.shift(options.checks)
    np.savez(options.out.with_suffix(".npz"), **maps)
    told = {"setup_seconds": audit.setup, "stages": audit.stages}
    options.out.write_text(json.dumps(told), encoding="utf-8")
    return 0


class PeerAudit:
    """The stages, each timed."""

    def __init__(self, model: Path, work: Path, counts: Mapping[str, Any], batch: int, forwards: int) -> None:
        import captum.attr  # imports belong to the setup, not to the first stage that needs them
        import captum.metrics  # noqa: F401
        import onnx2torch
        import quantus  # noqa: F401
        import saliency.core  # noqa: F401

        arrays = np.load(work)
        self.x, self.targets, self.baseline = arrays["x"], arrays["targets"], arrays["baseline"]
        self.counts = counts
        self.module = onnx2torch.convert(onnx.load(str(model))).eval()
        self.setup = perf_counter() - _BEGUN
        self.batch, self.forwards = batch, forwards
        self.stages: list[dict[str, Any]] = []

    def settle(self) -> None:
        """Find the fastest batches on one photograph."""
        points = torch.from_numpy(np.repeat(self.x[:1], max(BATCHES), axis=0))
        self.batch = min(BATCHES, key=lambda size: self._trial(points, size, gradients=True))
        self.forwards = min(BATCHES, key=lambda size: self._trial(points, size, gradients=False))

    def _trial(self, points: Any, size: int, *, gradients: bool) -> float:
        def run() -> float:
            begun = perf_counter()
            for start in range(0, len(points), size):
                part = points[start : start + size].clone().requires_grad_(gradients)
                with torch.set_grad_enabled(gradients):
                    total = self.module(part)[:, 0].sum()
                if gradients:
                    torch.autograd.grad(total, part)
            return perf_counter() - begun

        return min(run() for _ in range(3))

    @contextmanager
    def _stage(self, name: str, part: str, done: int, wanted: int) -> Iterator[None]:
        """Time a stage that was made for `done` photographs of `wanted`."""
        begun = perf_counter()
        yield
        seconds = perf_counter() - begun
        print(f"{part}, {name}: {seconds:.1f} s for {done} of {wanted}", file=sys.stderr)
        self.stages.append({"name": name, "part": part, "seconds": seconds, "done": done, "wanted": wanted})

    def _ask(self, name: str, n: int, *, check: bool = False, module: Any = None) -> Ask:
        work = self.counts["methods"][name]
        kind = "check_" if check else ""
        return Ask(
            module or self.module, self.x[:n], self.targets[:n], self.baseline[:1], work[f"{kind}gradients"],
            work[f"{kind}forwards"], self.batch, self.forwards,
        )  # fmt: skip

    def explain(self, photographs: int) -> dict[str, Maps]:
        """Every method's maps, and random ones for the controls; XRAI gets the line that is there already."""
        n, wanted = min(photographs, len(self.x)), self.counts["photographs"]
        maps: dict[str, Maps] = {}
        for name in sorted(self.counts["methods"]):
            with self._stage(name, "maps", n, wanted):
                ask = self._ask(name, n)
                line = maps.get("integrated-gradients")
                maps[name] = saliency_xrai(ask, line) if name == "xrai" and line is not None else explain(name, ask)
        rng = np.random.default_rng(0)
        for name in self.counts["controls"]:
            maps[name] = rng.standard_normal(self.x[:n].shape).astype(np.float32)
        return maps

    def score(self, maps: Mapping[str, Maps]) -> None:
        """Every map's scores."""
        for name, values in maps.items():
            n, wanted = len(values), self.counts["photographs"]
            for part in ("sweep", "infidelity", "sensitivity-n"):
                with self._stage(name, part, n, wanted):
                    scored(part, self._posed(n), values, self.counts)

    def _posed(self, n: int) -> Ask:
        return Ask(self.module, self.x[:n], self.targets[:n], self.baseline[:1], 0, 0, self.batch, self.forwards)

    def repeat(self, maps: Mapping[str, Maps], few: int | None) -> None:
        """Stochastic methods under further seeds, with their sweep."""
        wanted = self.counts["repeated_photographs"]
        n = min(wanted, few or wanted)
        for name in self.counts["repeated"]:
            for _ in range(self.counts["repeats"]):
                with self._stage(name, "other seeds", n, wanted):
                    swept(self._posed(n), explain(name, self._ask(name, n)), self.counts)

    def randomise(self, few: int | None) -> None:
        """Quantus' MPRT: the fully randomised model once for each model of the audit's check."""
        import quantus

        wanted = self.counts["randomised_photographs"]
        n = min(wanted, few or wanted)
        for name in sorted(self.counts["methods"]):
            with self._stage(name, "model randomisation", n, wanted):
                own = explain(name, self._ask(name, n, check=True))
                for seed in range(self.counts["randomised"]):
                    metric = quantus.MPRT(skip_layers=True, seed=seed, disable_warnings=True)
                    metric(
                        model=self.module, x_batch=self.x[:n].copy(), y_batch=self.targets[:n], a_batch=own.copy(),
                        explain_func=self._explainer(name, n, own), device="cpu",
                    )  # fmt: skip

    def _explainer(self, name: str, n: int, own: Maps) -> Any:
        """Explains randomised models; the original's maps, for which MPRT asks each time, are there already."""

        def made(model: Any, inputs: Any, targets: Any, **_: Any) -> Maps:
            if model is self.module:
                return own.copy()
            ask = self._ask(name, n, check=True, module=model)
            return explain(name, replace(ask, x=np.asarray(inputs, dtype=np.float32), targets=np.asarray(targets)))

        return made

    def shift(self, few: int | None) -> None:
        """Input invariance: two maps of each photograph.

        Quantus' own metric writes to the bias of the first module, which a converted graph need not have, so the
        subtraction is put in front by hand, as its users have to.
        """
        wanted = self.counts["invariance_photographs"]
        n = min(wanted, few or wanted)
        moved = torch.nn.Sequential(_Shift(), self.module)
        for name in sorted(self.counts["methods"]):
            with self._stage(name, "input invariance", n, wanted):
                explain(name, self._ask(name, n, check=True))
                ask = self._ask(name, n, check=True, module=moved)
                explain(name, replace(ask, x=ask.x + 2.0, baseline=ask.baseline + 2.0))


class _Shift(torch.nn.Module):
    """Moves pictures back by 2."""

    def forward(self, x: Any) -> Any:
        """The pictures as they were."""
        return x - 2.0


if __name__ == "__main__":
    sys.exit(main())
