"""The evaluations of trained models: one section for each."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sensorium.config.section import Section


class ProbeConfig(Section):
    """Linear and few-shot probes of the frozen encoders."""

    samples: int = Field(
        1500, ge=20, description="labelled windows from training recordings, and as many from test recordings"
    )
    labels: int = Field(25, ge=1, description="labelled windows of each class for the linear probe")
    shots: int = Field(5, ge=1, description="examples of each class for the few-shot probe")
    trials: int = Field(50, ge=2, description="random draws of labelled windows, averaged")
    supervised_steps: int = Field(300, ge=1, description="training steps of the supervised network that is the ceiling")
    seed: int = Field(0, ge=0, description="seed of random draws and of the bootstrap")


class RetrievalConfig(Section):
    """Image-to-sound and sound-to-image retrieval among windows of different recordings."""

    queries: int = Field(1000, ge=10, description="query windows from test recordings")
    candidates: int = Field(100, ge=2, description="candidates for each query, the true one included")
    seed: int = Field(0, ge=0, description="seed of random draws and of the bootstrap")


class FewShotConfig(Section):
    """Few-shot classification with frozen encoders and fusion."""

    samples: int = Field(1000, ge=20, description="labelled windows from test recordings, for each sense")
    episodes: int = Field(600, ge=10, description="one-shot episodes, and as many five-shot episodes")
    seed: int = Field(0, ge=0, description="seed of random draws and of the bootstrap")


class PropertiesConfig(Section):
    """Readout of bodies' properties from the senses at impacts of the hand."""

    training: int = Field(3000, ge=20, description="impacts in training recordings that the readout is fitted on")
    test: int = Field(1200, ge=20, description="largest number of impacts in test recordings")
    seed: int = Field(0, ge=0, description="seed of random draws and of the bootstrap")


class ZeroShotConfig(Section):
    """Zero-shot recognition of combinations of visual and sound class that are withheld from the readout."""

    samples: int = Field(
        3000, ge=20, description="labelled windows from training recordings, and as many from test recordings"
    )
    seed: int = Field(0, ge=0, description="seed of random draws and of the bootstrap")


class WorldStateConfig(Section):
    """Linear readout of the ground truth (simulator or console) from the world state."""

    samples: int = Field(2000, ge=20, description="windows from training recordings, and as many from test recordings")
    hidden: int = Field(8, ge=1, description="frames without sight at the end of a window, for the metric belief")
    seed: int = Field(0, ge=0, description="seed of random draws and of the bootstrap")


class FinetuningConfig(Section):
    """Effect of joint training: the same downstream evaluations before and after."""

    probe: ProbeConfig = ProbeConfig(trials=30)
    retrieval: RetrievalConfig = RetrievalConfig(queries=400, candidates=20)
    world_state: WorldStateConfig = WorldStateConfig()
    seed: int = Field(0, ge=0, description="seed of the bootstrap")


class ReconstructionConfig(Section):
    """Tokenizer reconstruction of test frames."""

    frames: int = Field(1000, ge=10, description="frames from test recordings")
    seed: int = Field(0, ge=0, description="seed of random draws and of the bootstrap")


class SoundReconstructionConfig(Section):
    """Tokenizer reconstruction of test sounds."""

    windows: int = Field(240, ge=10, description="windows from test recordings")
    frames: int = Field(16, ge=1, description="frames in each window")
    seed: int = Field(0, ge=0, description="seed of random draws and of the bootstrap")


class DreamConfig(Section):
    """Settings that all evaluations of dreams share."""

    windows: int = Field(ge=8, description="windows from test recordings, each dreamed")
    context: int = Field(6, ge=1, description="recorded frames before the dream begins")
    denoising_steps: Literal[1, 2, 4, 8, 16, 32, 64] = Field(4, description="Euler steps for each dreamed frame")
    context_noise: float = Field(
        0.1, ge=0, lt=1, description="share of noise mixed into the frames that the dynamics see"
    )
    stillness: float = Field(
        0.0, ge=0, description="keep a video token if it changes by less than this share of its usual change; 0: off"
    )
    seed: int = Field(0, ge=0, description="seed of random draws and of the bootstrap")


class RolloutConfig(DreamConfig):
    """Dreams compared with recordings: PSNR and SSIM over the horizon, effect of actions, few and many steps."""

    windows: int = Field(240, ge=8, description="windows from test recordings, each dreamed")
    denoising_steps: Literal[1, 2, 4, 8, 16, 32, 64] = Field(1, description="Euler steps for each dreamed frame")
    horizon: int = Field(16, ge=1, description="dreamed frames")
    fine_windows: int = Field(64, ge=8, description="windows that are also dreamed in 4 and in 64 steps for each frame")

    @model_validator(mode="after")
    def _some_are_fine(self) -> RolloutConfig:
        if self.fine_windows > self.windows:
            raise ValueError(f"fine_windows is {self.fine_windows}: it must not exceed windows ({self.windows})")
        return self


class UncertaintyConfig(DreamConfig):
    """Several dreams from one context: whether their spread predicts their error."""

    windows: int = Field(64, ge=8, description="contexts from test recordings")
    horizon: int = Field(16, ge=1, description="dreamed frames")
    dreams: int = Field(8, ge=3, description="dreams from each context")


class CounterfactualConfig(DreamConfig):
    """Other actions after the context: whether the dream changes as the simulator does."""

    windows: int = Field(80, ge=8, description="test recordings that are simulated again with other actions")
    horizon: int = Field(8, ge=1, description="dreamed frames")
    dreams: int = Field(4, ge=1, description="dreams for each context and choice of actions; their mean is compared")


class DriftConfig(DreamConfig):
    """Long dreams: whether their pieces still look and move like pieces of recordings."""

    windows: int = Field(32, ge=8, description="long dreams, each from a different test recording")
    stillness: float = Field(
        0.7, ge=0, description="keep a video token if it changes by less than this share of its usual change; 0: off"
    )
    frames: int = Field(64, ge=32, le=10000, description="frames in each dream")
    piece: int = Field(16, ge=8, description="frames in each piece")

    @model_validator(mode="after")
    def _pieces_fit(self) -> DriftConfig:
        if self.frames < 4 * self.piece:
            raise ValueError(f"frames is {self.frames}: it must be at least four pieces of {self.piece}")
        return self


class AgentReturnConfig(Section):
    """Returns of policies in the real environment, in scenes that no recording shows."""

    episodes: int = Field(64, ge=8, description="episodes for each policy; all policies play the same ones")
    windows: int = Field(256, ge=20, description="windows from test recordings whose rewards are predicted")
    context_noise: float = Field(
        0.1, ge=0, lt=1, description="share of noise mixed into the frames that the agent sees"
    )
    seed: int = Field(0, ge=0, description="seed of scenes, of sampled actions and of the bootstrap")


class MotionConfig(Section):
    """Where things will be: readout of positions from predicted world states."""

    recordings: int = Field(120, ge=2, description="training recordings that the readout is fitted on")
    windows: int = Field(480, ge=20, description="windows from test recordings, each predicted")
    seed: int = Field(0, ge=0, description="seed of random draws and of the bootstrap")


class CausalConfig(Section):
    """Interventions and counterfactuals: the state dynamics compared with the simulator under other actions."""

    learned_from: int = Field(
        100, ge=2, description="new rooms that the readout is fitted on, and as many with the hand of another room"
    )
    rooms: int = Field(160, ge=2, description="other new rooms, for the evaluation itself")
    windows: int = Field(640, ge=20, description="windows from those rooms, simulated again with other actions")
    moved: float = Field(0.2, gt=0, description="distance that counts as an event if a body covers it, in room widths")
    seed: int = Field(0, ge=0, description="seed of random draws and of the bootstrap")


class Evaluations(Section):
    """The evaluations, one section for each."""

    probe: ProbeConfig = ProbeConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    few_shot: FewShotConfig = FewShotConfig()
    properties: PropertiesConfig = PropertiesConfig()
    zero_shot: ZeroShotConfig = ZeroShotConfig()
    world_state: WorldStateConfig = WorldStateConfig()
    finetuning: FinetuningConfig = FinetuningConfig()
    reconstruction: ReconstructionConfig = ReconstructionConfig()
    sound_reconstruction: SoundReconstructionConfig = SoundReconstructionConfig()
    rollout: RolloutConfig = RolloutConfig()
    agent_return: AgentReturnConfig = AgentReturnConfig()
    uncertainty: UncertaintyConfig = UncertaintyConfig()
    counterfactual: CounterfactualConfig = CounterfactualConfig()
    drift: DriftConfig = DriftConfig()
    motion: MotionConfig = MotionConfig()
    causal: CausalConfig = CausalConfig()
