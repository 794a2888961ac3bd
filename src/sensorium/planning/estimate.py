"""Estimate what a configuration needs before it runs: memory of each training, disk, and hours at a given speed.

    sensorium estimate config/h200.yaml --memory 141 --tflops 300

Files are laid over config/config.yaml in order, as by `snakemake --configfile`. Parameters, checkpoints and models are
exact: the networks are built without memory. Activations are what autograd keeps of the passes of one step in the
precision of the device, without losses and temporary arrays. Where one row does not fit, layers of transformers
recompute theirs, as trainings do by themselves. Operations are products and convolutions, three times the forward pass,
four times with recomputation; loading, simulation and evaluations take further time. Dreams of evaluations are in
float32, as many side by side as fit.
"""

from __future__ import annotations

import argparse
import json
import math
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from sensorium.config.counts import set_bytes
from sensorium.generation.sizes import latent_bytes
from sensorium.models.recompute import recompute_layers
from sensorium.planning.configuration import read_settings
from sensorium.planning.dreams import dreams_estimate, dreams_rows
from sensorium.planning.fake_stage import Stage
from sensorium.planning.footprint import file_bytes, fused_attention, learner_tensors, operations, saved_bytes
from sensorium.planning.learners import stage
from sensorium.planning.resources import RULES, memory_mb, models, training_of
from sensorium.planning.table import aligned, size
from sensorium.settings import Config
from sensorium.training.learner import CoupledLearner

KEPT = 2  # checkpoints of a run
GIGABYTE, TERA, HOUR = 1e9, 1e12, 3600.0
HEADING = (
    "stage",
    "parameters",
    "rows a pass",
    "state",
    "activations",
    "memory",
    "checkpoint",
    "TFLOP a step",
    "hours",
)


def main(argv: list[str]) -> None:
    """Run `sensorium estimate`."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="sensorium estimate", description=__doc__, formatter_class=formatter)
    parser.add_argument("config", type=Path, nargs="*", metavar="CONFIG", help="laid over config/config.yaml")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="where it trains: bf16, or float32")
    parser.add_argument("--memory", type=_positive, default=80.0, metavar="GB", help="of the GPU; default: 80")
    parser.add_argument("--micro-batch", type=_count, default=0, metavar="N", help="rows a pass; 0: the most that fits")
    parser.add_argument(
        "--recompute", choices=("auto", "on", "off"), default="auto", help="activations; auto: where a row does not fit"
    )
    parser.add_argument(
        "--tflops", type=_positive, default=100.0, metavar="N", help="reached in training; default: 100"
    )
    parser.add_argument("--gpus", type=_at_least_one, default=1, metavar="N", help="of each training; default: 1")
    parser.add_argument("--json", action="store_true", help="bytes and seconds as JSON instead of tables")
    args = parser.parse_args(argv)
    settings = read_settings(args.config)
    limit = args.memory * GIGABYTE if args.device == "cuda" else math.inf
    stages = {
        folder: stage_estimate(settings, folder, args.device, args.micro_batch, limit, args.recompute)
        for folder in models(settings)
    }
    for each in stages.values():
        each["seconds"] = each["steps"] * each["operations_a_step"] / (args.tflops * TERA * args.gpus)
    kept = disk(settings)
    kept["runs"] = sum(KEPT * each["checkpoint_bytes"] + each["model_bytes"] for each in stages.values())
    kept["total"] = sum(kept.values())
    trained = {RULES[folder] for folder in stages}
    asked = {rule: memory_mb(settings, rule, args.gpus if rule in trained else 1) for rule in rules(settings)}
    dreamed = dreams_estimate(settings, args.micro_batch, limit)
    found = {"stages": stages, "dreams": dreamed, "disk": kept, "host_mb": asked}
    print(json.dumps(found, indent=1) if args.json else tables(found))


def stage_estimate(
    settings: Config, folder: str, device: str, micro_batch: int, limit: float, recompute: str = "auto"
) -> dict[str, Any]:
    """What one training needs, in bytes and operations; `limit` is the memory of the device."""
    training, planned = training_of(settings, folder), stage(settings, folder)
    learner = planned.learner
    tensors = learner_tensors(learner, training)
    recomputed = recompute == "on" and recompute_layers(learner) > 0
    kept = _Kept(planned, device)
    with _as_on(device, planned):
        forward, taught = operations(partial(planned.run, 1)), 0.0
        if planned.teach:
            passes, share = planned.teach
            taught = share * (forward if passes is planned.run else operations(partial(passes, 1)))
    gradients = sum(p.numel() * p.element_size() for p in learner.parameters() if p.requires_grad)
    networks = sum(p.numel() * p.element_size() for module in planned.frozen for p in module.parameters())
    stored = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    state = stored + gradients + networks
    rows = min(micro_batch or training.batch, training.batch)
    while not micro_batch and rows > 1 and state + kept.of(rows) > limit:
        rows = (rows + 1) // 2
    if recompute == "auto" and state + kept.of(rows) > limit and recompute_layers(learner):
        recomputed, kept = True, _Kept(planned, device)
    again = recomputed + (isinstance(learner, CoupledLearner) and rows < training.batch)  # each row is embedded twice
    return {
        "parameters": sum(p.numel() for p in learner.model.parameters()),
        "batch": training.batch,
        "rows_a_pass": rows,
        "recomputed": recomputed,
        "state_bytes": state,
        "activation_bytes": kept.of(rows),
        "memory_bytes": state + kept.of(rows),
        "fits": state + kept.of(rows) <= limit,
        "checkpoint_bytes": file_bytes(tensors),
        "model_bytes": file_bytes(learner.model.state_dict()),
        "steps": training.steps,
        "operations_a_step": training.batch * ((3 + again) * forward + taught),
    }


class _Kept:
    """Bytes that autograd keeps of a pass on a device: each row after the first adds as much as the second."""

    def __init__(self, planned: Stage, device: str) -> None:
        self._planned, self._device = planned, device
        self._measured: dict[int, int] = {}

    def of(self, rows: int) -> int:
        """Bytes of so many rows."""
        first = self._measure(1)
        return first if rows == 1 else first + (rows - 1) * (self._measure(2) - first)

    def _measure(self, rows: int) -> int:
        if rows not in self._measured:
            with _as_on(self._device, self._planned):
                self._measured[rows] = saved_bytes(self._planned.learner, partial(self._planned.run, rows))
        return self._measured[rows]


@contextmanager
def _as_on(device: str, planned: Stage) -> Iterator[None]:
    """A context in which passes have the tensors that they have on a device."""
    with planned.mode, ExitStack() as as_on_the_device:
        if device == "cuda":
            as_on_the_device.enter_context(fused_attention())
            as_on_the_device.enter_context(torch.autocast("cpu", torch.bfloat16))
            as_on_the_device.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")  # that a CPU would be slow with such norms
        yield


def disk(settings: Config) -> dict[str, int]:
    """Bytes of recordings and latents."""
    sets = {f"data/{name}": set_bytes(data) for name, data in settings.sets().items()}
    if settings.lines.generative:
        sets |= {f"latents/{stream}": count for stream, count in latent_bytes(settings).items()}
    return sets


def rules(settings: Config) -> list[str]:
    """Rules of the workflow that ask for memory by the settings, in its order."""
    trained = [RULES[folder] for folder in models(settings)]
    evaluations = [name.removesuffix("_vision").removesuffix("_audio") for name in settings.evaluations_on()]
    encoded = ["encode_latents"] if settings.lines.generative else []
    return list(dict.fromkeys(["collect", *trained, *encoded, *evaluations]))


def tables(found: dict[str, Any]) -> str:
    """The estimate for a terminal."""
    rows: list[tuple[str, ...]] = [HEADING]
    for folder, each in found["stages"].items():
        rows.append(
            (
                folder,
                f"{each['parameters']:,}",
                f"{each['rows_a_pass']} of {each['batch']}",
                size(each["state_bytes"]),
                size(each["activation_bytes"]) + (" (recomputed)" if each["recomputed"] else ""),
                size(each["memory_bytes"]) + ("" if each["fits"] else " (does not fit)"),
                size(each["checkpoint_bytes"]),
                f"{each['operations_a_step'] / TERA:.3g}",
                f"{each['seconds'] / HOUR:.3g}",
            )
        )
    seconds = sum(each["seconds"] for each in found["stages"].values())
    rows.append(("all", *[""] * (len(HEADING) - 2), f"{seconds / HOUR:.3g}"))
    kept = [("disk", "size"), *((name, size(count)) for name, count in found["disk"].items())]
    asked = [("rule", "host memory"), *((rule, f"{count} MB") for rule, count in found["host_mb"].items())]
    parts = [aligned(rows, range(1, len(HEADING)))]
    if found["dreams"]:
        shown = dreams_rows(found["dreams"])
        parts.append(aligned(shown, range(1, len(shown[0]))))
    return "\n\n".join([*parts, aligned(kept, (1,)), aligned(asked, (1,))])


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is negative")
    return value


def _at_least_one(text: str) -> int:
    value = _count(text)
    if not value:
        raise argparse.ArgumentTypeError(f"{value} is not above 0")
    return value


def _positive(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value
