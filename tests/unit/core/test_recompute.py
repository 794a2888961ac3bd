"""Layers that recompute their activations, where a training has no memory for them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import toys
from torch import Tensor
from toys import ToyConfig, ToyLearner, run_folder, run_toy

from sensorium.config import ConfigurationError
from sensorium.models.layers import Block
from sensorium.models.recompute import through
from sensorium.randomness import Draw
from sensorium.training.execution import Execution
from sensorium.training.learner import Batch, Metrics


class ToyTransformer(ToyLearner):
    """With a layer whose activations do not fit, not even those of one row, unless they are recomputed."""

    fits = False

    def __init__(self, config: ToyConfig) -> None:
        super().__init__(config)
        self.layer = Block(6, 1)

    def forward(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        if torch.is_grad_enabled() and not (self.fits or self.layer.recomputed):
            raise torch.OutOfMemoryError("the toy is full")
        return super().forward(batch | {"x": through(self.layer, batch["x"][:, None])[:, 0]}, draw)


def test_where_one_row_does_not_fit_layers_recompute_and_the_bits_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toys, "ToyLearner", ToyTransformer)
    config = ToyConfig(training=ToyConfig().training.model_copy(update={"steps": 10}))
    run_toy(tmp_path / "ample/toy", config, Execution(device="cpu", micro_batch=1), fits=True)
    run_toy(tmp_path / "scarce/toy", config)
    ample, scarce = tmp_path / "ample/toy", tmp_path / "scarce/toy"
    assert "single row a pass: layers recompute" in (run_folder(scarce) / "train.log").read_text()
    assert run_folder(ample).name == run_folder(scarce).name  # how it ran is no part of what it is
    assert (ample / "model.safetensors").read_bytes() == (scarce / "model.safetensors").read_bytes()
    tensors = [run_folder(each) / "checkpoints/step-00000010/tensors.safetensors" for each in (ample, scarce)]
    assert tensors[0].read_bytes() == tensors[1].read_bytes()
    with pytest.raises(ConfigurationError, match="single row"):
        run_toy(tmp_path / "never/toy", config, Execution(device="cpu", recompute="off"))
    run_toy(tmp_path / "asked/toy", config, Execution(device="cpu", recompute="on"))
    assert "out of memory" not in (run_folder(tmp_path / "asked/toy") / "train.log").read_text()
