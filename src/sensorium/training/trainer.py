"""The training loop of every stage.

The state of a run is its weights, its optimiser and its step. Everything random is a function of the step, so a run
that was stopped and resumed gives the same bits as one that was not.
"""

from __future__ import annotations

import logging
import time
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from sensorium.artifacts import ArtifactError, checked
from sensorium.config import ConfigurationError, Training
from sensorium.data.windows import StepBatches, WindowSource
from sensorium.models.out_of_memory import attempt
from sensorium.randomness import Draw, stable_seed
from sensorium.training.checkpoint import STATE, Checkpoint, Checkpoints, check_like
from sensorium.training.distributed import RankLostError, Ranks
from sensorium.training.execution import Execution
from sensorium.training.gradients import Gradients
from sensorium.training.health import RunState, Skips, Verdict
from sensorium.training.interrupt import Interrupt, StoppedEarly, ignore_signals
from sensorium.training.learner import Batch, Learner, Metrics, check_rivals
from sensorium.training.metrics import Pace, RunLog
from sensorium.training.optimiser import Optimiser
from sensorium.training.pulse import note_exit
from sensorium.training.replay import BadSteps, report
from sensorium.training.validation import Validation
from sensorium.training.watch import first_bad_place

log = logging.getLogger(__name__)
LOG_STEPS = 20  # at most so many steps between two records of metrics
VALIDATIONS = 10  # in a whole run
VALIDATION_STEPS = 20  # at least between two of them: one of 64 rows costs as much as many steps of a short run


class Trainer:
    """Trains a learner from the newest checkpoint of its run, or from the start, to the last step.

    Args:
        learner: freshly built; a checkpoint in `folder` replaces its weights.
        training: the optimisation.
        windows: of training recordings.
        validation: windows of validation recordings.
        folder: the run's folder: checkpoints, metrics.jsonl, train.log, tb.
        execution: how to run.
        ranks: that share each batch.
    """

    def __init__(
        self,
        learner: Learner,
        training: Training,
        windows: WindowSource,
        validation: WindowSource,
        folder: Path,
        execution: Execution,
        ranks: Ranks,
    ) -> None:
        if training.batch < ranks.count:
            raise ConfigurationError(
                f"training.batch is {training.batch}: {ranks.count} ranks need at least a row each"
            )
        check_rivals(learner)
        self.learner = learner.to(ranks.device)
        self._training, self._windows = training, windows
        self._folder, self._execution, self._ranks = folder, execution, ranks
        self._device = ranks.device
        self._optimiser = Optimiser(learner, training)
        self._checkpoints, self._bad_steps = Checkpoints(folder / "checkpoints"), BadSteps(folder)
        start, stop = ranks.share(training.batch)
        micro_batch = min(execution.micro_batch or stop - start, stop - start)
        autocast = partial(execution.autocast, ranks.device)
        self._gradients = Gradients(learner, ranks, autocast, micro_batch, execution.recompute)
        self._validation = Validation(
            learner, training, validation, ranks.device, lambda: [self._optimiser.averaged(), autocast()]
        )
        self._skips = Skips()
        self._verdict: Verdict | None = None
        self._saved_step, self._saved_at = -1, 0.0
        self._whole: int | None = None  # steps done and recorded; None while one changes the state
        self._save_seconds = self._step_seconds = 0.0

    def run(self, interrupt: Interrupt) -> Verdict:
        """Train to the last step or until interrupted; a run that is already finished returns its verdict at once.

        Raises:
            StoppedEarly: after a signal or near the deadline, with the state saved.
            UnhealthyError: if too many steps are not finite.
            StorageError: if state or metrics cannot be written.
            ConfigurationError: if not even one row fits into memory.
        """
        steps = self._training.steps
        with RunLog(self._folder, self._ranks.is_main) as records:
            done = self._resume()
            records.begin(done)
            if done == steps and self._verdict:
                log.info("already trained for all of its %d steps: %s", steps, self._folder)
                return self._verdict
            self._log_start(done)
            self._execution.compile_modules(self.learner.compiled(), self._device)
            try:
                self._train(done, records, interrupt)
            except RankLostError as error:
                self._rescue(error, interrupt)
        assert self._verdict is not None
        return self._verdict

    def _train(self, done: int, records: RunLog, interrupt: Interrupt) -> None:
        """Make and record the steps that are left."""
        steps = self._training.steps
        log_every = max(1, min(LOG_STEPS, steps // 20))
        validate_every = max(VALIDATION_STEPS, steps // VALIDATIONS)
        self._whole = done
        pace, self._saved_at = Pace(done, steps, self._training.batch), time.monotonic()
        for step, samples in zip(range(done, steps), self._batches(done), strict=True):
            began, done = time.monotonic(), step + 1
            validates = done % validate_every == 0 or done == steps
            values = self._step(step, samples, measured=validates or done % log_every == 0)
            self._step_seconds = max(0.9 * self._step_seconds, time.monotonic() - began)
            if validates:
                values |= self._validate(done, records)
            if values:
                values |= pace.measure(done)
                records.scalars(done, values)
            pace.log_line(done, values)
            self._whole = done
            if done < steps:
                self._stop_if_interrupted(interrupt, done)
                if time.monotonic() - self._saved_at > 60 * self._execution.checkpoint_minutes:
                    self._save(done)
        self._save(done)

    def _rescue(self, error: RankLostError, interrupt: Interrupt) -> NoReturn:
        """Save what is left when another rank is lost: each rank holds the whole state, and rank 0 writes.

        Raises:
            StoppedEarly: if the job is to end anyway; it then goes on from here.
            RankLostError: otherwise.
        """
        if self._whole is None or not self._ranks.is_main:
            raise error
        self._save(self._whole)
        saved = f"state saved after step {self._whole} in {self._checkpoints.path(self._whole)}"
        if interrupt.scheduled:
            note_exit(StoppedEarly.exit_code)
            raise StoppedEarly(f"another rank is gone, {saved}: run the same command again to go on") from error
        raise RankLostError(f"{error}; {saved}") from error

    def exported(self) -> AbstractContextManager[None]:
        """A context in which the learner has the weights to export: the average, where one is kept."""
        return self._optimiser.averaged()

    @property
    def skipped(self) -> int:
        """Steps that were skipped because they were not finite."""
        return self._skips.total

    def _log_start(self, done: int) -> None:
        training, count = self._training, sum(p.numel() for p in self._optimiser.parameters)
        log.info(
            "training %s: %d parameters, steps %d to %d, batch %d (%d a pass), %s, %d rank(s), in %s",
            *(type(self.learner).__name__, count, done, training.steps, training.batch),
            *(self._gradients.micro_batch, self._device, self._ranks.count, self._folder),
        )

    def _batches(self, done: int) -> DataLoader[Batch]:
        """This rank's rows of the batches of all steps after the first `done`."""
        training, execution = self._training, self._execution
        return DataLoader(
            StepBatches(self._windows, training.seed, training.batch, self._ranks.share(training.batch)),
            batch_size=None,
            sampler=range(done, training.steps),
            num_workers=execution.readers(self._device),
            worker_init_fn=ignore_signals,
            pin_memory=self._device.type == "cuda",
        )

    def _draw(self, purpose: str, step: int, rows: int) -> Draw:
        seed = stable_seed(self._training.seed, type(self.learner).__name__, purpose)
        return Draw(seed, step, 0, rows, rows, self._device)

    def _to_device(self, batch: Batch) -> Batch:
        return {name: tensor.to(self._device, non_blocking=True) for name, tensor in batch.items()}

    def _step(self, step: int, samples: Batch, measured: bool) -> dict[str, float]:
        """Make one step, or skip it if it is not finite; return its metrics if it is `measured`."""
        batch, draw = self._to_device(samples), self._draw("training", step, self._training.batch)
        self.learner.train()
        self._optimiser.clear()
        part, metrics = self._gradients.compute(batch, draw)
        loss, norms = self._ranks.sum(part), self._optimiser.norms()
        rates = [0.0] * len(norms)
        if bool(torch.isfinite(loss.float() + norms.float().sum())):  # else no player moves
            rates = self._update(step, norms)
            self._report_observed(metrics)
            self._skips.passed()
        else:
            self._skip(step + 1, first_bad_place(self.learner, lambda: self._gradients.forward(batch, draw)))
        if not measured:
            return {}
        values = {f"train/{name}": float(self._ranks.sum(value)) for name, value in metrics.items()}
        values["train/loss"] = float(loss)
        for player, norm, rate in zip(("", "critic_"), norms.tolist(), rates, strict=False):  # most have no critic
            values |= {f"train/{player}gradient_norm": norm, f"train/{player}learning_rate": rate}
        values["health/skipped_steps"] = self._skips.total
        if self._device.type == "cuda":
            values["perf/memory_gb"] = torch.cuda.max_memory_allocated(self._device) / 1e9
        return values

    def _update(self, step: int, norms: Tensor) -> list[float]:
        """Make the optimiser's step; return the players' rates. The first one takes the memory of all moments."""
        self._whole = None
        rates = attempt(partial(self._optimiser.update, step, norms))
        if rates is None:  # no smaller micro-batch helps: nothing of it is left in memory now
            raise ConfigurationError(
                "--device: out of memory in the optimiser's step, which holds weights, gradients and moments; use a "
                "device with more memory, or a smaller model (width, dim, layers)"
            )
        return rates

    def _skip(self, done: int, where: str) -> None:
        """Count a step that was not finite, and keep what is needed to repeat it."""
        if self._ranks.is_main and self._bad_steps.keep(done, self.learner, where):
            log.warning("step %d is kept: repeat it under watch by the same command with --replay %d", done, done)
        self._skips.skipped(done, where)

    def replay(self, done: int) -> str:
        """Repeat a step that was not finite, with the weights that it began from, and print what happens in it.

        Returns:
            The first place where numbers are not finite.

        Raises:
            ConfigurationError: if the step was not kept, or several ranks run.
        """
        if self._ranks.count > 1:
            raise ConfigurationError(f"--replay {done}: on one rank alone; leave --ranks out")
        self._bad_steps.load(done, self.learner)
        training, learner = self._training, self.learner.train()
        batches = StepBatches(self._windows, training.seed, training.batch, self._ranks.share(training.batch))
        batch, draw = self._to_device(batches[done - 1]), self._draw("training", done - 1, training.batch)
        loss, _ = self._gradients.compute(batch, draw)
        return report(learner, batch, lambda: self._gradients.forward(batch, draw), done, training.seed, loss)

    def _report_observed(self, metrics: Metrics) -> None:
        """Report the metrics that the learner observes, of those that this step has, as means over the global batch."""
        names = [name for name in self.learner.observed if name in metrics]
        if names:
            means = self._ranks.sum(torch.stack([metrics[name].float() for name in names]))
            self.learner.observe(dict(zip(names, means, strict=True)))

    def _validate(self, done: int, records: RunLog) -> dict[str, float]:
        """Metrics and gates of the weights that would be exported; what the learner shows goes to TensorBoard."""
        self._verdict, exhibits = self._validation.run()
        records.show(done, exhibits)
        return self._verdict.metrics

    def _stop_if_interrupted(self, interrupt: Interrupt, done: int) -> None:
        """Save and leave if any rank has a reason to stop, with time in reserve for one more step and its save."""
        reserve = 2 * (self._step_seconds + self._save_seconds)
        if not self._ranks.any(interrupt.reason(reserve) is not None):
            return
        self._save(done)
        if self._ranks.is_main:
            note_exit(StoppedEarly.exit_code)  # how a rank dies now, on its way out, is of no interest
        self._ranks.barrier()  # if one rank left early, torchrun would stop the one that saves
        reason = interrupt.reason(reserve) or "a signal to another rank"
        raise StoppedEarly(
            f"stopped by {reason} after step {done} of {self._training.steps}, state saved in "
            f"{self._checkpoints.path(done)}: run the same command again to go on"
        )

    def _save(self, done: int) -> None:
        self._saved_at = time.monotonic()
        if not self._ranks.is_main or self._saved_step == done:
            return
        values: dict[str, Any] = {
            "skips": self._skips.values(),
            "micro_batch": self._gradients.micro_batch,
            "device": self._device_name(),
        }
        if self._verdict and done == self._training.steps:
            values["verdict"] = self._verdict.values()
        weights = {f"learner/{name}": tensor for name, tensor in self.learner.state_dict().items()}
        self._checkpoints.save(done, weights | self._optimiser.tensors(), values)
        began, self._saved_at = self._saved_at, time.monotonic()
        self._saved_step, self._save_seconds = done, self._saved_at - began

    def _resume(self) -> int:
        """Load the newest checkpoint; return its step, or 0 if there is none.

        Raises:
            ArtifactError: if the checkpoint does not fit the model, or the ranks found different ones.
        """
        checkpoint = self._checkpoints.newest()
        done = checkpoint.step if checkpoint else 0
        if checkpoint:
            self._load(checkpoint)
        if not self._ranks.agree_on(done):
            raise ArtifactError(f"{self._folder}: the ranks see different checkpoints; run the same command again")
        if checkpoint and self._ranks.is_main:
            self._checkpoints.tidy(done)
        return done

    def _load(self, checkpoint: Checkpoint) -> None:
        weights: dict[str, Tensor] = {
            name.removeprefix("learner/"): tensor
            for name, tensor in checkpoint.tensors.items()
            if name.startswith("learner/")
        }
        try:
            parameters = dict(self.learner.named_parameters())
            for name, tensor in self.learner.state_dict().items():
                # weights that are not finite are a run that diverges: its next steps report that
                check_like(name, weights[name], tensor, finite=name not in parameters)
            self.learner.load_state_dict(weights)
            self._optimiser.restore(checkpoint.tensors)
            self._load_values(checkpoint)
        except (RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise ArtifactError(
                f"{self._checkpoints.path(checkpoint.step)}: does not fit the model, whose code has changed since; "
                f"delete {self._folder} to train anew ({error})"
            ) from error

    def _load_values(self, checkpoint: Checkpoint) -> None:
        values = checked(self._checkpoints.path(checkpoint.step) / STATE, checkpoint.values, RunState)
        if checkpoint.step > self._training.steps:
            raise ValueError(f"it is of step {checkpoint.step}, training.steps is {self._training.steps}")
        self._skips, self._saved_step = Skips(values["skips"]), checkpoint.step
        if not self._execution.micro_batch and values["device"] == self._device_name():
            self._gradients.micro_batch = min(self._gradients.micro_batch, values["micro_batch"])
        if "verdict" in values:
            self._verdict = Verdict.from_values(values["verdict"])

    def _device_name(self) -> str:
        return torch.cuda.get_device_name(self._device) if self._device.type == "cuda" else "cpu"
