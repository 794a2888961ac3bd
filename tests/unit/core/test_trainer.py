"""The training loop: exact resume, micro-batches, ranks, unhealthy runs, export."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional
from toys import SHAPES, ToyConfig, ToyContrast, ToyLearner, ToyModel, ToyWindows, run_folder, run_toy

from sensorium.artifacts import ArtifactError
from sensorium.config import ConfigurationError, Training
from sensorium.models.load import load
from sensorium.randomness import Draw
from sensorium.training import trainer as trainer_module
from sensorium.training.checkpoint import Checkpoints
from sensorium.training.distributed import Ranks
from sensorium.training.execution import Execution
from sensorium.training.gradients import Gradients
from sensorium.training.health import UnhealthyError
from sensorium.training.interrupt import Interrupt, StoppedEarly
from sensorium.training.learner import Batch, Gate, Learner
from sensorium.training.optimiser import Optimiser
from sensorium.training.validation import VALIDATION_ROWS

HERE = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy stage, trained without a stop."""
    torch.set_num_threads(1)
    output = tmp_path_factory.mktemp("straight") / "toy"
    run_toy(output)
    return output


def records(output: Path) -> list[dict[str, Any]]:
    """metrics.jsonl without what depends on the clock."""
    lines = (run_folder(output) / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if not k.startswith("perf/")} for line in lines]


def state(output: Path) -> dict[str, Tensor]:
    """Tensors of the last checkpoint."""
    return load_file(max((run_folder(output) / "checkpoints").glob("step-*/*.safetensors")))


def assert_same(output: Path, straight: Path) -> None:
    """Bit-equal weights, equal manifests, equal metrics, no step told twice."""
    assert (output / "model.safetensors").read_bytes() == (straight / "model.safetensors").read_bytes()
    assert (output / "manifest.json").read_bytes() == (straight / "manifest.json").read_bytes()
    assert records(output) == records(straight)
    steps = [record["step"] for record in records(output)]
    assert steps == sorted(set(steps))
    assert steps[-1] == 40


def test_it_learns_and_logs(straight: Path) -> None:
    told = records(straight)
    assert told[-1]["train/square"] < 0.5 * told[0]["train/square"]
    assert {"val/loss", "health/deviation", "health/skipped_steps", "train/gradient_norm"} <= told[-1].keys()
    folder = run_folder(straight)
    assert list((folder / "tb").glob("events*"))
    assert "loss" in (folder / "train.log").read_text()
    assert sorted(p.name for p in (folder / "checkpoints").iterdir()) == ["step-00000040"]
    model = load(ToyModel, straight / "manifest.json")
    batch = ToyWindows(24)._x
    error = functional.mse_loss(model(batch), batch.sin().sum(1, keepdim=True))
    untrained = load(ToyModel, straight / "manifest.json", untrained_seed=1)
    assert error < 0.5 * functional.mse_loss(untrained(batch), batch.sin().sum(1, keepdim=True))


class StopAfter(Interrupt):
    """Asks to stop after a number of steps."""

    left = 0

    def reason(self, reserve: float = 0.0) -> str | None:
        """A reason once the steps are over."""
        StopAfter.left -= 1
        return "a test" if StopAfter.left < 0 else None


def test_stopped_and_resumed_is_bit_equal(tmp_path: Path, straight: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensorium.training.stage.Interrupt", StopAfter)
    for steps in (0, 6, 12):
        StopAfter.left = steps
        with pytest.raises(StoppedEarly, match=r"run the same command again"):
            run_toy(tmp_path / "toy")
        assert not (tmp_path / "toy" / "manifest.json").exists()
    StopAfter.left = 1000
    run_toy(tmp_path / "toy", execution=Execution(device="cpu", workers=1))
    assert_same(tmp_path / "toy", straight)


def test_a_training_leaves_torch_the_deterministic_kernel_of_attention(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def allowed() -> dict[str, bool]:
        names = ("flash", "mem_efficient", "cudnn", "math")
        return {name: getattr(torch.backends.cuda, f"{name}_sdp_enabled")() for name in names}

    before, seen, step = allowed(), [], ToyLearner.forward
    monkeypatch.setattr(ToyLearner, "forward", lambda *args: (seen.append(allowed()), step(*args))[1])
    run_toy(tmp_path / "toy", ToyConfig(training=Training(steps=2, batch=16, warmup=1)))
    assert seen[0] == {"flash": False, "mem_efficient": False, "cudnn": False, "math": True}
    assert allowed() == before


def test_a_finished_run_is_exported_without_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_toy(tmp_path / "toy")
    before = (tmp_path / "toy" / "manifest.json").read_bytes()
    (tmp_path / "toy" / "manifest.json").unlink()
    (tmp_path / "toy" / "model.safetensors").unlink()
    monkeypatch.setattr(ToyLearner, "forward", None)
    run_toy(tmp_path / "toy")
    assert (tmp_path / "toy" / "manifest.json").read_bytes() == before


def test_killed_at_random_moments_is_bit_equal(tmp_path: Path, straight: Path) -> None:
    """SIGKILL, once certainly while a checkpoint is being written; the checkpoint's save is slowed down for it."""
    chance, output = random.Random(0), tmp_path / "toy"
    for trial in range(2):
        process = start(output, "0.01", "0.05")
        checkpoints = wait_for(output, lambda folder: bool(list(folder.glob(".step-*.tmp"))))
        if trial:
            time.sleep(chance.uniform(0.1, 0.5))
        process.kill()
        process.wait()
        if not trial:
            assert list(checkpoints.glob(".step-*.tmp")), "killed between saves: the half-written folder is missing"
    assert start(output, "0", "0").wait(180) == 0
    assert_same(output, straight)
    assert not list(run_folder(output).glob("checkpoints/.step-*.tmp"))


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR2"])
def test_signals_save_and_stop(tmp_path: Path, straight: Path, name: str) -> None:
    output = tmp_path / "toy"
    process = start(output, "0.02", "0")
    wait_for(output, lambda folder: bool(list(folder.glob("step-*"))))
    process.send_signal(signal.Signals[name])
    _, errors = process.communicate(timeout=60)
    assert f"StoppedEarly: stopped by {name} after step" in errors
    run_toy(output)
    assert_same(output, straight)


def start(output: Path, *words: str) -> subprocess.Popen[str]:
    """The toy stage in a process of its own."""
    return subprocess.Popen(
        [sys.executable, str(HERE / "toys.py"), str(output), *words], stderr=subprocess.PIPE, text=True
    )


def wait_for(output: Path, condition: Any) -> Path:
    """Wait until the folder of checkpoints meets a condition."""
    for _ in range(6000):
        for folder in output.glob("runs/*/checkpoints"):
            if condition(folder):
                return folder
        time.sleep(0.005)
    raise TimeoutError("the toy stage wrote no checkpoint")


def gradients(learner: Learner, micro_batch: int, ranks: Ranks | None = None) -> tuple[float, dict[str, Tensor], int]:
    """Loss, gradients and the micro-batch found for 10 rows."""
    draw = Draw(5, 3, 0, 10, 10, torch.device("cpu"))
    batch = ToyWindows().batch(torch.arange(10).numpy())
    ranks = ranks or Ranks()
    start, stop = ranks.share(10)
    mine = {name: tensor[start:stop] for name, tensor in batch.items()}
    computer = Gradients(learner, ranks, nullcontext, micro_batch)
    loss, metrics = computer.compute(mine, draw)
    values = {f"gradient {name}": p.grad.clone() for name, p in learner.named_parameters() if p.grad is not None}
    values |= {f"metric {name}": ranks.sum(value) for name, value in metrics.items()}
    return float(ranks.sum(loss)), values, computer.micro_batch


@pytest.mark.parametrize("cls", [ToyLearner, ToyContrast])
@pytest.mark.parametrize("largest", [1, 3, 5])
def test_out_of_memory_changes_the_micro_batch_and_nothing_else(cls: type, largest: int) -> None:
    torch.manual_seed(0)
    learner = cls(ToyConfig())
    whole_loss, whole, fitted = gradients(learner, 10)
    assert fitted == 10
    learner.zero_grad()
    learner.largest = largest
    loss, parts, fitted = gradients(learner, 10)
    assert fitted <= largest
    assert loss == pytest.approx(whole_loss, rel=1e-5)
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-6)


def full(*_: Any) -> None:
    raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")


def test_out_of_memory_in_the_first_step_of_the_optimiser_names_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Optimiser, "update", full)
    with pytest.raises(ConfigurationError, match=r"optimiser's step.*more memory, or a smaller model"):
        run_toy(tmp_path / "toy")


def test_out_of_memory_at_the_validation_takes_fewer_rows_and_keeps_the_weights(
    tmp_path: Path, straight: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gates = ToyLearner.gates
    monkeypatch.setattr(ToyLearner, "gates", lambda self, batch: full() if len(batch["x"]) > 12 else gates(self, batch))
    run_toy(tmp_path / "toy")
    assert "going on with 12 rows" in caplog.text
    assert (tmp_path / "toy/model.safetensors").read_bytes() == (straight / "model.safetensors").read_bytes()


def test_nothing_fits() -> None:
    learner = ToyLearner(ToyConfig())
    learner.largest = 0
    with pytest.raises(ConfigurationError, match=r"single row"):
        gradients(learner, 4)


def test_the_fitted_micro_batch_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensorium.training.stage.Interrupt", StopAfter)
    StopAfter.left = 3
    with pytest.raises(StoppedEarly):
        run_toy(tmp_path / "toy", largest=5)
    StopAfter.left, seen = 1000, []
    with pytest.raises(ConfigurationError, match="at the validation"):  # which cannot shrink that far
        run_toy(tmp_path / "toy", largest=1, seen=seen)
    assert max(seen[:2]) <= 4
    assert "going on with 4" in (run_folder(tmp_path / "toy") / "train.log").read_text()


def test_a_small_batch_is_not_what_a_model_is_judged_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gates see all validation windows up to JUDGED of them: a few may refuse a good model by bad luck."""
    judged, gates = [], ToyLearner.gates

    def watched(learner: ToyLearner, batch: Batch) -> list[Gate]:
        judged.append(len(batch["x"]))
        return gates(learner, batch)

    monkeypatch.setattr(ToyLearner, "gates", watched)
    run_toy(tmp_path / "toy")
    assert set(judged) == {24}  # all there are
    assert ToyConfig().training.batch < 24 < VALIDATION_ROWS


def _rank(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    ranks = Ranks(rank, 2)
    for cls in (ToyLearner, ToyContrast):
        torch.manual_seed(0)
        alone = gradients(cls(ToyConfig()), 10)
        torch.manual_seed(0)
        learner = cls(ToyConfig())
        learner.largest = 10 if rank else 2  # one rank runs out of memory, both go on
        together = gradients(learner, 10, ranks)
        assert together[2] <= 2
        assert abs(together[0] - alone[0]) < 1e-5
        torch.testing.assert_close(together[1], alone[1], rtol=1e-4, atol=1e-6)
    assert ranks.any(rank == 1)
    assert not ranks.any(False)
    ranks.leave()


def test_two_ranks_equal_one(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(_rank, (str(tmp_path),), nprocs=2)


def test_torchrun_gives_the_same_model(tmp_path: Path, straight: Path) -> None:
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(HERE / "toys.py")]
    subprocess.run([sys.executable, *words, str(tmp_path / "toy"), "0", "0"], check=True, timeout=180)
    ours, theirs = load_file(straight / "model.safetensors"), load_file(tmp_path / "toy" / "model.safetensors")
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
    name = "learner/scale.squares"  # means over all ranks: Adam would forgive a common factor, this does not
    torch.testing.assert_close(state(tmp_path / "toy")[name], state(straight)[name], rtol=1e-3, atol=0)


def poison(monkeypatch: pytest.MonkeyPatch, bad_steps: Any) -> None:
    """Make the model's middle module give NaN in some steps."""
    forward, model_forward = ToyLearner.forward, ToyModel.forward
    now: list[int] = [0]

    def noting(self: ToyLearner, batch: Batch, draw: Draw) -> Any:
        now[0] = draw.step if self.training else -1
        return forward(self, batch, draw)

    def spoiled(self: ToyModel, x: Tensor) -> Tensor:
        return model_forward(self, x * float("nan") if now[0] in bad_steps else x)

    monkeypatch.setattr(ToyLearner, "forward", noting)
    monkeypatch.setattr(ToyModel, "forward", spoiled)


def test_a_bad_step_is_skipped_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    poison(monkeypatch, {7})
    run_toy(tmp_path / "toy")
    manifest = json.loads((tmp_path / "toy" / "manifest.json").read_text())
    assert manifest["details"]["skipped_steps"] == 1
    text = (run_folder(tmp_path / "toy") / "train.log").read_text()
    assert "step 8 skipped, not finite: output of _model.first (Linear)" in text
    assert records(tmp_path / "toy")[3]["train/loss"] is None
    assert all(torch.isfinite(tensor).all() for tensor in load_file(tmp_path / "toy" / "model.safetensors").values())


def test_divergence_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    poison(monkeypatch, range(12, 40))
    with pytest.raises(UnhealthyError, match=r"11 steps in a row.*step 23.*_model.first.*try: lower training.lr"):
        run_toy(tmp_path / "toy")
    assert not (tmp_path / "toy" / "manifest.json").exists()


def test_a_failed_gate_exports_nothing(tmp_path: Path) -> None:
    for _ in range(2):  # the finished run says the same when it is asked again
        with pytest.raises(UnhealthyError, match=r"gate deviation: .*at least 100.*try: a higher training.lr"):
            run_toy(tmp_path / "toy", minimum=100.0)
        assert not (tmp_path / "toy" / "model.safetensors").exists()


def test_changed_code_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_toy(tmp_path / "toy")
    monkeypatch.setitem(SHAPES, "inputs", 7)
    with pytest.raises(ArtifactError, match=r"does not fit the model"):
        run_toy(tmp_path / "toy")


def test_no_step_rereads_or_resaves_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 400 steps within the minutes between checkpoints one is saved, the last, and none is looked for again."""
    monkeypatch.setattr(trainer_module, "VALIDATIONS", 1)
    with (
        patch.object(Checkpoints, "save", autospec=True, side_effect=Checkpoints.save) as save,
        patch.object(Checkpoints, "newest", autospec=True, side_effect=Checkpoints.newest) as newest,
    ):
        run_toy(tmp_path / "toy", ToyConfig(training=Training(steps=400, batch=16, warmup=5)))
    assert (save.call_count, newest.call_count) == (1, 1)
