"""What a training step needs: bytes that autograd keeps, and floating-point operations, measured without computing.

A stage's passes run on the meta device. Hooks see each tensor that autograd saves for the backward pass, and torch's
counter sees each product. Losses, augmentation and temporary arrays are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from sensorium.config import Training
from sensorium.models import kernels, recompute
from sensorium.training.learner import is_rival
from sensorium.training.optimiser import for_muon

HEADER_ALIGNMENT = 8
_DTYPES = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64"}

Storages = dict[int, torch.UntypedStorage]  # by address; held, so that no other storage gets the same


def saved_bytes(module: nn.Module, run: Callable[[], object]) -> int:
    """Bytes that autograd keeps of a pass until its backward pass, without the weights; each storage counts once.

    Of layers that recompute, their inputs are kept, and while gradients are computed what the largest one keeps.
    """
    own = {tensor.untyped_storage()._cdata for tensor in [*module.parameters(), *module.buffers()]}
    kept: Storages = {}
    largest = 0

    def measured(work: Callable[..., Any], *inputs: Tensor | None) -> Any:
        nonlocal largest
        for tensor in inputs:
            if tensor is not None:
                _keep(tensor, kept, own)
        within: Storages = {}
        with _saving(within, own | kept.keys()):
            result = work(*inputs)
        largest = max(largest, _total(within))
        return result

    plain = recompute.recomputed
    recompute.recomputed = measured
    try:
        with _saving(kept, own):
            result = run()
    finally:
        recompute.recomputed = plain
    del result
    return _total(kept) + largest


def _saving(kept: Storages, known: Set[int]) -> saved_tensors_hooks:
    """A context that gathers what autograd saves, but for storages that are known."""

    def pack(tensor: Tensor) -> Tensor:
        _keep(tensor, kept, known)
        return tensor

    return saved_tensors_hooks(pack, lambda tensor: tensor)


def _keep(tensor: Tensor, kept: Storages, known: Set[int]) -> None:
    storage = tensor.untyped_storage()
    if storage._cdata not in known:
        kept[storage._cdata] = storage


def _total(kept: Storages) -> int:
    return sum(storage.nbytes() for storage in kept.values())


def operations(run: Callable[[], object]) -> int:
    """Floating-point operations of the products and convolutions of a pass, forward only."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


def learner_tensors(learner: nn.Module, training: Training) -> dict[str, Tensor]:
    """The tensors of a checkpoint after at least one step, by their names there, on the learner's device."""
    tensors = {f"learner/{name}": value for name, value in learner.state_dict().items()}
    for name, parameter in learner.named_parameters():
        if not parameter.requires_grad:
            continue
        rival = is_rival(name, learner)
        if training.muon and for_muon(name, parameter) and not rival:
            tensors[f"optimiser/{name}/momentum_buffer"] = parameter
        else:
            tensors[f"optimiser/{name}/step"] = parameter.new_empty(())
            tensors |= {f"optimiser/{name}/{key}": parameter for key in ("exp_avg", "exp_avg_sq")}
        if training.ema and not rival:
            tensors[f"average/{name}"] = parameter
    return tensors


def file_bytes(tensors: dict[str, Tensor]) -> int:
    """Size of a safetensors file: the length of its header, the header padded to a multiple of 8, the numbers."""
    entries, end = [], 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0])):
        begin, end = end, end + tensor.numel() * tensor.element_size()
        shape = ",".join(map(str, tensor.shape))
        dtype = _DTYPES[tensor.dtype]
        entries.append(f'"{name}":{{"dtype":"{dtype}","shape":[{shape}],"data_offsets":[{begin},{end}]}}')
    header = len("{" + ",".join(entries) + "}")
    return HEADER_ALIGNMENT + -(-header // HEADER_ALIGNMENT) * HEADER_ALIGNMENT + end


@contextmanager
def fused_attention() -> Iterator[None]:
    """A context in which attention stores no logits, as the kernels do that run on CUDA."""
    plain = kernels.attend
    kernels.attend = lambda query, key, value, visible, soft_cap: _Fused.apply(query, key, value)
    try:
        yield
    finally:
        kernels.attend = plain


class _Fused(torch.autograd.Function):
    """Shapes, operations and saved tensors of a fused attention kernel; the backward pass is never run."""

    @staticmethod
    def forward(context: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        rows, heads, length, channels = query.shape
        shared = query.reshape(rows, key.shape[1], -1, channels)
        mixed = (shared @ key.transpose(-1, -2) @ value).reshape(query.shape)
        context.save_for_backward(query, key, value, mixed, query.new_empty(rows, heads, length))
        return mixed
