"""A critic in the training loop: its own optimiser and steps, exact resume, micro-batches, ranks, its export."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor
from toy_adversarial import EVERY, START, DuelConfig, DuelLearner
from toys import ToyConfig, ToyWindows, run_folder, run_toy

from sensorium.config import AdversarialTraining, CriticTraining, Training
from sensorium.randomness import Draw
from sensorium.schedules import learning_rate
from sensorium.training.distributed import Ranks
from sensorium.training.gradients import Gradients
from sensorium.training.health import UnhealthyError
from sensorium.training.interrupt import Interrupt, StoppedEarly
from sensorium.training.optimiser import Optimiser
from sensorium.training.trainer import Trainer

HERE = Path(__file__).parents[1]
ROWS = 10


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def duel(output: Path, config: DuelConfig | None = None, **changes: Any) -> None:
    """Train the toy stage with a critic."""
    run_toy(output, config or DuelConfig(), made=DuelLearner, **changes)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy stage with a critic, trained without a stop."""
    torch.set_num_threads(1)
    output = tmp_path_factory.mktemp("straight") / "toy"
    duel(output)
    return output


def newest(output: Path) -> Path:
    """Tensors of the last checkpoint: weights, averages and moments of both players."""
    return max((run_folder(output) / "checkpoints").glob("step-*/*.safetensors"))


def records(output: Path) -> list[dict[str, Any]]:
    """metrics.jsonl without what depends on the clock."""
    lines = (run_folder(output) / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if not k.startswith("perf/")} for line in lines]


def assert_same(output: Path, straight: Path) -> None:
    for name in ("model.safetensors", "critic.safetensors", "manifest.json"):
        assert (output / name).read_bytes() == (straight / name).read_bytes()
    assert newest(output).read_bytes() == newest(straight).read_bytes()
    assert records(output) == records(straight)


class StopAfter(Interrupt):
    """Asks to stop after a number of steps."""

    left = 0

    def reason(self, reserve: float = 0.0) -> str | None:
        """A reason once the steps are over."""
        StopAfter.left -= 1
        return "a test" if StopAfter.left < 0 else None


def test_stopped_three_times_is_bit_equal(tmp_path: Path, straight: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensorium.training.stage.Interrupt", StopAfter)
    for steps in (0, 6, 12):  # before the critic's first step, and after it
        StopAfter.left = steps
        with pytest.raises(StoppedEarly, match=r"run the same command again"):
            duel(tmp_path / "toy")
    StopAfter.left = 1000
    duel(tmp_path / "toy")
    assert_same(tmp_path / "toy", straight)
    moments = {name for name in load_file(newest(straight)) if name.startswith("optimiser/critic.")}
    assert len(moments) == 4 * 3


def test_killed_at_random_moments_is_bit_equal(tmp_path: Path, straight: Path) -> None:
    output = tmp_path / "toy"
    for wait in (0.0, 0.3):
        words = [sys.executable, str(HERE / "toy_adversarial.py"), str(output), "0.01", "0.05"]
        process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        while not list(output.glob("runs/*/checkpoints/.step-*.tmp")):
            assert process.poll() is None
            time.sleep(0.005)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (output / "manifest.json").exists()
    duel(output)
    assert_same(output, straight)


def test_the_critic_is_exported_beside_the_model(tmp_path: Path, straight: Path) -> None:
    files = json.loads((straight / "manifest.json").read_text())["files"]
    assert {name: file["path"] for name, file in files.items()} == {
        "model": "model.safetensors",
        "critic": "critic.safetensors",
    }
    model, critic, state = (
        load_file(path) for path in (straight / "model.safetensors", straight / "critic.safetensors", newest(straight))
    )
    assert not [name for name in model if "critic" in name]
    assert all(torch.equal(critic[name], state[f"learner/{name}"]) for name in critic)
    assert not any(torch.equal(model[name], state[f"learner/points.{name}"]) for name in model)  # the average
    learner = DuelLearner(DuelConfig())
    assert not learner.load_state_dict(critic, strict=False).unexpected_keys  # to go on from, in another training
    assert torch.equal(learner.critic.first.weight, critic["critic.first.weight"])
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy/critic.safetensors").write_bytes(b"of a training that had one")
    run_toy(tmp_path / "toy", ToyConfig(training=Training(steps=2, batch=16, warmup=1)))
    assert not (tmp_path / "toy/critic.safetensors").exists()
    assert list(json.loads((tmp_path / "toy/manifest.json").read_text())["files"]) == ["model"]


def test_both_norms_and_accuracies_are_recorded(straight: Path) -> None:
    names = ["train/gradient_norm", "train/critic_gradient_norm", "train/critic_real", "train/critic_made"]
    names += ["val/critic_real", "val/critic_made", "health/critic_accuracy", "health/critic_error"]
    board = EventAccumulator(str(run_folder(straight) / "tb"))
    board.Reload()
    assert set(names) <= set(board.Tags()["scalars"]) & records(straight)[-1].keys()
    rates = {record["step"]: record["train/critic_learning_rate"] for record in records(straight)}
    assert all((rate > 0) == due(step - 1) for step, rate in rates.items())
    alone = {"train/loss", "train/gradient_norm", "train/learning_rate"}
    assert alone <= records(straight)[-1].keys()


def test_a_critic_that_wins_refuses_the_export(tmp_path: Path) -> None:
    training = DuelConfig().training.model_copy(update={"lr": 1e-7, "critic": CriticTraining(lr=0.1, clip=1e9)})
    with pytest.raises(
        UnhealthyError, match=r"gate critic_error: .*at least 0.05.*try: a critic that learns more slowly"
    ):
        duel(tmp_path / "toy", DuelConfig(training=training.model_copy(update={"steps": 200})))
    assert not list((tmp_path / "toy").glob("*.safetensors"))


# Steps ---------------------------------------------------------------------------------------------------------------


def due(step: int) -> bool:
    return step >= START and (step - START) % EVERY == 0


def learning(
    steps: int, micro_batch: int = ROWS, ranks: Ranks | None = None, **critic: Any
) -> tuple[list[dict[str, Tensor]], Optimiser]:
    """Weights before and after each of some steps."""
    torch.manual_seed(0)
    learner, ranks = DuelLearner(DuelConfig()), ranks or Ranks()
    training = DuelConfig().training
    training = training.model_copy(update={"critic": training.critic.model_copy(update=critic)})
    optimiser, computer = Optimiser(learner, training), Gradients(learner, ranks, nullcontext, micro_batch)
    start, stop = ranks.share(ROWS)
    states = [{name: value.clone() for name, value in learner.state_dict().items()}]
    for step in range(steps):
        batch = ToyWindows().batch(torch.arange(step, step + ROWS).numpy())
        optimiser.clear()
        computer.compute(
            {name: values[start:stop] for name, values in batch.items()},
            Draw(1, step, 0, ROWS, ROWS, torch.device("cpu")),
        )
        optimiser.update(step, optimiser.norms())
        states.append({name: value.clone() for name, value in learner.state_dict().items()})
    return states, optimiser


def moved(states: list[dict[str, Tensor]], player: str) -> list[bool]:
    """Whether a player made each step."""
    names = [name for name in states[0] if name.startswith(player)]
    pairs = pairwise(states)
    return [any(not torch.equal(before[name], after[name]) for name in names) for before, after in pairs]


def test_a_player_makes_the_steps_that_are_its_own() -> None:
    states, optimiser = learning(9)
    assert moved(states, "critic.") == [due(step) for step in range(9)] == [step in (3, 5, 7) for step in range(9)]
    assert moved(states, "points.") == [True] * 9
    assert float(optimiser.tensors()["optimiser/critic.first.weight/step"]) == 3
    assert moved(learning(4, start=0, every=1)[0], "critic.") == [True] * 4


def test_a_critic_has_a_rate_of_its_own() -> None:
    training = DuelConfig().training
    critic = training.critic.model_copy(update={"warmup": 4, "every": 1})
    learner = DuelLearner(DuelConfig())
    optimiser = Optimiser(learner, training.model_copy(update={"critic": critic}))
    for parameter in optimiser.parameters:
        parameter.grad = torch.ones_like(parameter)
    rates = [optimiser.update(step, optimiser.norms()) for step in range(40)]
    expected = [learning_rate(s, steps=37, warmup=4, peak=1e-2, final=0.05) for s in range(37)]
    assert [theirs for _, theirs in rates] == [0, 0, 0, *expected]
    assert [ours for ours, _ in rates] == [
        learning_rate(s, steps=40, warmup=5, peak=1e-3, final=0.05) for s in range(40)
    ]


@pytest.mark.parametrize("player", ["points", "critic"])
def test_a_player_is_clipped_by_its_own_norm(player: str) -> None:
    """A spike of one player's gradient shrinks no step of the other: the moments of the other are the same bits."""
    moments = []
    for spike in (1.0, 1e4):
        torch.manual_seed(0)
        learner = DuelLearner(DuelConfig())
        optimiser = Optimiser(learner, DuelConfig().training)
        for name, parameter in learner.named_parameters():
            parameter.grad = torch.full_like(parameter, spike if name.startswith(player) else 1.0)
        optimiser.update(START, optimiser.norms())
        moments.append(optimiser.tensors())
    other = {"points": "critic", "critic": "points"}[player]
    names = [name for name in moments[0] if name.startswith(f"optimiser/{other}.") and name.endswith("exp_avg")]
    assert names
    assert all(torch.equal(moments[0][name], moments[1][name]) for name in names)
    own = [moments[1][name] for name in moments[1] if name.startswith(f"optimiser/{player}.") and name.endswith("avg")]
    size = float(torch.cat([moment.flatten() for moment in own]).norm())
    assert size == pytest.approx(0.1 if player == "points" else 0.2, rel=1e-3)  # 1 - beta, times a norm of 1


def test_the_average_leaves_the_critic_out() -> None:
    states, optimiser = learning(8)
    averages = {name for name in optimiser.tensors() if name.startswith("average/")}
    assert averages == {f"average/{name}" for name in states[0] if name.startswith("points.")}
    learner = DuelLearner(DuelConfig())
    optimiser = Optimiser(learner, DuelConfig().training)
    optimiser.parameters[0].data += 1
    critic = learner.critic.first.weight.data_ptr()
    with optimiser.averaged():
        assert learner.critic.first.weight.data_ptr() == critic


@pytest.mark.parametrize("micro_batch", [1, 3, 4])
def test_the_micro_batch_changes_nothing(micro_batch: int) -> None:
    parts, whole = learning(8, micro_batch)[0][-1], learning(8)[0][-1]
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-5)


def _rank(rank: int, folder: str, count: int) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=count)
    ranks = Ranks(rank, count)
    found, _ = learning(8, ranks=ranks)
    torch.testing.assert_close(found, load_states(Path(folder)), rtol=1e-4, atol=1e-5)
    assert moved(found, "critic.") == [due(step) for step in range(8)]  # no zero gradient of another rank moves it
    ranks.leave()


def load_states(folder: Path) -> list[dict[str, Tensor]]:
    return [load_file(folder / f"{step}.safetensors") for step in range(9)]


@pytest.mark.parametrize("count", [2, 4])
def test_several_ranks_learn_the_same(tmp_path: Path, count: int) -> None:
    for step, state in enumerate(learning(8)[0]):
        save_file(state, tmp_path / f"{step}.safetensors")
    torch.multiprocessing.spawn(_rank, (str(tmp_path), count), nprocs=count)


def test_torchrun_gives_the_same_model_and_critic(tmp_path: Path, straight: Path) -> None:
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(HERE / "toy_adversarial.py")]
    subprocess.run([sys.executable, *words, str(tmp_path / "toy"), "0", "0"], check=True, timeout=180)
    for name in ("model.safetensors", "critic.safetensors"):
        ours, theirs = load_file(straight / name), load_file(tmp_path / "toy" / name)
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_a_step_that_is_not_finite_moves_no_player(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a step that both players would make, the gradient of the critic alone is not finite."""
    spoiled, states, step = START + EVERY, [], Trainer._step

    def watched(self: Trainer, number: int, *args: Any, **words: Any) -> dict[str, float]:
        def note() -> None:
            if number == spoiled:
                tensors = self.learner.state_dict() | self._optimiser.tensors()
                states.append({name: value.clone() for name, value in tensors.items()})

        note()
        values = step(self, number, *args, **words)
        note()
        return values

    monkeypatch.setattr(Trainer, "_step", watched)
    duel(tmp_path / "toy", spoiled=spoiled)
    before, after = states
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert json.loads((tmp_path / "toy/manifest.json").read_text())["details"]["skipped_steps"] == 1
    log = (run_folder(tmp_path / "toy") / "train.log").read_text()
    assert f"step {spoiled + 1} skipped, not finite: gradient of critic.last.bias" in log


# Settings ------------------------------------------------------------------------------------------------------------


def test_a_critic_that_is_never_trained_is_refused() -> None:
    with pytest.raises(ValueError, match=r"critic.start is 30, critic.warmup 10, steps 40"):
        AdversarialTraining(steps=40, warmup=5, critic=CriticTraining(start=30, warmup=10))


def test_rivals_need_the_settings_of_a_critic() -> None:
    with pytest.raises(TypeError, match=r"DuelLearner has rivals, and Training no critic"):
        Optimiser(DuelLearner(DuelConfig()), Training())
