"""The two sides of benchmarks/dynamics.py behind one interface: our dynamics, and those of lucidrains' dreamer4.

Both have the same number of tokens a frame in the transformer (ours has one more register, because the peer has an
agent token), the same width, layers and heads, a time layer every fourth, soft cap 50, AdamW, no actions and the same
latents. The peer's value residuals and attention pool, which the paper does not have, are off. Its agent token has its
own last layer and attends to no other token; it adds to the peer's parameters but hardly to its time.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from sensorium.generation.config import DynamicsConfig
from sensorium.generation.dream import Dreamer
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.dynamics_learner import DynamicsLearner
from sensorium.models.kernels import lay_by_columns
from sensorium.randomness import Draw
from sensorium.training.execution import Execution, keep_freed_memory, multiply_by_onednn

CHANNELS, REGISTERS, PASSES = 32, 4, 4
Stamp = Callable[[], tuple[float, float]]


@dataclass(frozen=True)
class Size:
    """The size of both models: width, layers, heads; tokens a frame; windows and frames of a training step."""

    dim: int
    layers: int
    heads: int
    tokens: int
    rows: int
    frames: int


class Side(Protocol):
    """One side. Times come from `stamp`, seconds of wall and of process CPU."""

    name: str
    compiled: bool
    products: str  # torch's precision of matrix products

    @property
    def parameters(self) -> int:
        """Number of trained parameters."""

    def step(self, share: float) -> None:
        """One training step; `share` of its windows learn long denoising steps."""

    def dream(self, context: int, frames: int, stamp: Stamp) -> list[tuple[float, float]]:
        """Stamps from before the context is read to after each dreamed frame, frames + 1 of them."""


def precision(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """bf16 on a GPU, fp32 on a CPU."""
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else contextlib.nullcontext()


def clock(device: torch.device) -> Stamp:
    """Wall and process CPU seconds, after the device has finished all submitted work."""

    def stamp() -> tuple[float, float]:
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter(), time.process_time()

    return stamp


def optimiser(module: nn.Module) -> torch.optim.Optimizer:
    """The optimiser of both sides."""
    return torch.optim.AdamW(module.parameters(), lr=1e-4, fused=True)


class Ours:
    """Sensorium's dynamics, its learner and its dreamer; time layers see all frames there are, as the peer's do."""

    def __init__(self, size: Size, device: torch.device, compiled: bool = False) -> None:
        self.name = "sensorium compiled" if compiled else "sensorium"
        self.size, self.device, self.compiled = size, device, compiled
        if device.type == "cpu":
            multiply_by_onednn()
        self.products = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        self._dreaming: dict[int, Dynamics] = {}  # by window: what is compiled is kept
        config, dynamics = self._build(size.frames)
        self.parameters = sum(weight.numel() for weight in dynamics.parameters())
        self.learner = DynamicsLearner(dynamics, config, nn.Identity())  # it shows no pictures
        Execution(compile="on" if compiled else "off").compile_modules(self.learner.compiled(), device)
        self.optimiser = optimiser(self.learner)
        latent = torch.randn(size.rows, size.frames, size.tokens, CHANNELS, device=device)
        self.batch = {"latent": latent, "scene": latent[:, 0]}
        self.steps = 0

    def _build(self, window: int) -> tuple[DynamicsConfig, Dynamics]:
        size = self.size
        config = DynamicsConfig(
            dim=size.dim,
            heads=size.heads,
            key_heads=size.heads,
            layers=size.layers,
            time_every=4,
            window=window,
            registers=REGISTERS + 1,
            frames=window,
            long_frames=window,
            long_every=1,
            images=0,
            dreamed=0,
        )
        grid = round(size.tokens**0.5) ** 2 == size.tokens
        shapes = {"video": size.tokens, "grid": grid, "audio": 0, "channels": CHANNELS, "action": None}
        return config, Dynamics(config, shapes).to(self.device)

    def step(self, share: float) -> None:
        self.learner.config = self.learner.config.model_copy(update={"bootstrap": share})
        rows = self.size.rows
        with precision(self.device):
            loss, _ = self.learner(self.batch, Draw(0, self.steps, 0, rows, rows, self.device))
        loss.backward()
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.steps += 1

    def dream(self, context: int, frames: int, stamp: Stamp) -> list[tuple[float, float]]:
        window = context + frames
        if window not in self._dreaming:
            cpu, dynamics = self.device.type == "cpu", self._build(window)[1].eval()
            if cpu:
                lay_by_columns(dynamics)  # as `sensorium dream` and `play` do
            if self.compiled:  # as there, each context for itself; `compile_modules` has raised torch's limit
                dynamics.compile(dynamic=False, options={"cpp_wrapper": cpu})
            self._dreaming[window] = dynamics
        dynamics = self._dreaming[window]
        past = torch.randn(1, context, self.size.tokens, CHANNELS, device=self.device)
        stamps = [stamp()]
        dreamer = Dreamer(dynamics, denoising_steps=PASSES)
        with precision(self.device):
            dreamer.begin(past, None)
            for _ in range(frames):
                dreamer.step(None)
                stamps.append(stamp())
        return stamps


class Lucidrains:
    """DynamicsWorldModel of dreamer4 0.20.2 (PyPI)."""

    name, compiled, products = "lucidrains", False, "highest"

    def __init__(self, size: Size, device: torch.device) -> None:
        from dreamer4.dreamer4 import DynamicsWorldModel

        self.size, self.device = size, device
        self.model = DynamicsWorldModel(
            dim=size.dim,
            dim_latent=CHANNELS,
            num_latent_tokens=size.tokens,
            num_spatial_tokens=size.tokens,
            depth=size.layers,
            time_block_every=4,
            attn_heads=size.heads,
            attn_dim_head=size.dim // size.heads,
            max_steps=64,
            num_register_tokens=REGISTERS,
            num_discrete_actions=4,
            transformer_kwargs={"use_attn_pool": False, "value_residual": False},
        ).to(device)
        self.latents = torch.randn(size.rows, size.frames, size.tokens, CHANNELS, device=device)
        self.optimiser = optimiser(self.model)

    @property
    def parameters(self) -> int:
        """Number of trained parameters: its heads for rewards, values, ... are not trained here."""
        return sum(weight.numel() for weight in self.optimiser.state)

    def step(self, share: float) -> None:
        self.model.prob_shortcut_train = share  # the whole batch, with this chance
        with precision(self.device):
            loss = self.model(latents=self.latents)
        loss.backward()
        self.optimiser.step()
        self.optimiser.zero_grad()

    def dream(self, context: int, frames: int, stamp: Stamp) -> list[tuple[float, float]]:
        past = torch.randn(1, context, self.size.tokens, CHANNELS, device=self.device)
        forward, stamps, passes = type(self.model).forward, [], 0

        def timed(*arguments: Any, **options: Any) -> Any:
            nonlocal passes
            if passes % (PASSES + 1) == 0:  # each frame has one more pass, which fills the cache
                stamps.append(stamp())
            passes += 1
            return forward(self.model, *arguments, **options)

        self.model.forward = timed
        with torch.no_grad(), precision(self.device):
            self.model.eval().generate(
                context + frames,
                num_steps=PASSES,
                prompt_latents=past,
                return_decoded_video=False,
                store_agent_embed=False,
            )
        stamps.append(stamp())
        del self.model.forward
        self.model.train()
        if passes != frames * (PASSES + 1):
            raise RuntimeError(f"dreamer4 took {passes} passes for {frames} frames: cannot assign times to frames")
        return stamps


def contestants(size: Size, device: torch.device, compiled: bool) -> tuple[list[Side], str]:
    """The sides at hand, ours compiled, too, where that is wanted, and a line about a missing one."""
    keep_freed_memory()  # as all our programs do; the peer gains by it, too
    ours: list[Side] = [Ours(size, device), *([Ours(size, device, compiled=True)] if compiled else [])]
    try:
        return [*ours, Lucidrains(size, device)], ""
    except ModuleNotFoundError as error:
        return ours, f"lucidrains is missing (no module {error.name}): see the head of this program.\n"
