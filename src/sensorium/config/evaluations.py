"""How trained models are judged: one section an evaluation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sensorium.config.section import Section


class ProbeConfig(Section):
    """Linear and few-shot probes of the frozen encoders."""

    samples: int = Field(1500, ge=20, description="labelled windows taken from each of training and test recordings")
    labels: int = Field(25, ge=1, description="labelled windows a class in the linear probe")
    shots: int = Field(5, ge=1, description="examples a class in the few-shot probe")
    trials: int = Field(50, ge=2, description="draws of labelled windows to average")
    supervised_steps: int = Field(300, ge=1, description="steps of the supervised network that sets the ceiling")
    seed: int = Field(0, ge=0, description="seed of draws and resampling")


class RetrievalConfig(Section):
    """Image-to-sound and sound-to-image retrieval among windows of different recordings."""

    queries: int = Field(1000, ge=10, description="query windows from test recordings")
    candidates: int = Field(100, ge=2, description="candidates a query, the true one among them")
    seed: int = Field(0, ge=0, description="seed of draws and resampling")


class FewShotConfig(Section):
    """Episodes of few-shot classification from frozen encoders and fusion."""

    samples: int = Field(1000, ge=20, description="labelled windows of test recordings, of each sense")
    episodes: int = Field(600, ge=10, description="episodes with one example a class, and as many with five")
    seed: int = Field(0, ge=0, description="seed of draws and resampling")


class PropertiesConfig(Section):
    """What senses tell of the properties of bodies that the hand strikes."""

    training: int = Field(3000, ge=20, description="strikes in training recordings that the read-out learns from")
    test: int = Field(1200, ge=20, description="strikes in test recordings, at most")
    seed: int = Field(0, ge=0, description="seed of draws and resampling")


class ZeroShotConfig(Section):
    """Kinds that were never met: classes seen and heard in combinations that are withheld."""

    samples: int = Field(3000, ge=20, description="labelled windows taken from each of training and test recordings")
    seed: int = Field(0, ge=0, description="seed of draws and resampling")


class WorldStateConfig(Section):
    """Linear read-out of simulator or console truth from the world state."""

    samples: int = Field(2000, ge=20, description="windows taken from each of training and test recordings")
    hidden: int = Field(8, ge=1, description="last frames of a window without sight, where belief is read")
    seed: int = Field(0, ge=0, description="seed of draws and resampling")


class FinetuningConfig(Section):
    """What joint training gains and what it harms: the same downstream tests before and after."""

    probe: ProbeConfig = ProbeConfig(trials=30)
    retrieval: RetrievalConfig = RetrievalConfig(queries=400, candidates=20)
    world_state: WorldStateConfig = WorldStateConfig()
    seed: int = Field(0, ge=0, description="seed of resampling")


class ReconstructionConfig(Section):
    """Tokenizer reconstruction of test frames."""

    frames: int = Field(1000, ge=10, description="frames from test recordings")
    seed: int = Field(0, ge=0, description="seed of draws and resampling")


class SoundReconstructionConfig(Section):
    """Tokenizer reconstruction of test sounds."""

    windows: int = Field(240, ge=10, description="windows from test recordings")
    frames: int = Field(16, ge=1, description="frames of sound in a window")
    seed: int = Field(0, ge=0, description="seed of draws and resampling")


class DreamConfig(Section):
    """What all evaluations of dreams share."""

    windows: int = Field(ge=8, description="dreamed windows from test recordings")
    context: int = Field(6, ge=1, description="true frames before the dream begins")
    denoising_steps: Literal[1, 2, 4, 8, 16, 32, 64] = Field(4, description="Euler steps a dreamed frame")
    context_noise: float = Field(0.1, ge=0, lt=1, description="noise share that context frames carry while dreaming")
    stillness: float = Field(
        0.0, ge=0, description="video tokens whose change is below this share of the usual stay; 0: none"
    )
    seed: int = Field(0, ge=0, description="seed of draws and resampling")


class RolloutConfig(DreamConfig):
    """Dreams beside truth: PSNR and SSIM over the horizon, true and shuffled actions, few and many steps."""

    windows: int = Field(240, ge=8, description="dreamed windows from test recordings")
    denoising_steps: Literal[1, 2, 4, 8, 16, 32, 64] = Field(1, description="Euler steps a dreamed frame")
    horizon: int = Field(16, ge=1, description="dreamed frames")
    fine_windows: int = Field(64, ge=8, description="windows that are dreamed in 4 and in 64 steps a frame too")

    @model_validator(mode="after")
    def _some_are_fine(self) -> RolloutConfig:
        if self.fine_windows > self.windows:
            raise ValueError(f"fine_windows is {self.fine_windows}: it must not exceed windows ({self.windows})")
        return self


class UncertaintyConfig(DreamConfig):
    """Several dreams from one beginning: whether their spread tells how wrong they are."""

    windows: int = Field(64, ge=8, description="beginnings from test recordings")
    horizon: int = Field(16, ge=1, description="dreamed frames")
    dreams: int = Field(8, ge=3, description="dreams from each beginning")


class CounterfactualConfig(DreamConfig):
    """Other actions from a moment on, in the dream and in the simulator: whether the same changes."""

    windows: int = Field(80, ge=8, description="test recordings that are run again with other actions")
    horizon: int = Field(8, ge=1, description="dreamed frames")
    dreams: int = Field(4, ge=1, description="dreams whose mean is compared, of each beginning and choice of actions")


class DriftConfig(DreamConfig):
    """Long dreams: whether their pieces go on looking and moving like pieces of recordings."""

    windows: int = Field(32, ge=8, description="long dreams, each from a test recording of its own")
    stillness: float = Field(
        0.7, ge=0, description="video tokens whose change is below this share of the usual stay; 0: none"
    )
    frames: int = Field(64, ge=32, le=10000, description="frames of each dream")
    piece: int = Field(16, ge=8, description="frames of a piece")

    @model_validator(mode="after")
    def _pieces_fit(self) -> DriftConfig:
        if self.frames < 4 * self.piece:
            raise ValueError(f"frames is {self.frames}: it must be at least four pieces of {self.piece}")
        return self


class AgentReturnConfig(Section):
    """What policies earn in the real environment, in scenes that nobody recorded."""

    episodes: int = Field(64, ge=8, description="episodes each policy plays, all policies the same ones")
    windows: int = Field(256, ge=20, description="test windows whose rewards are told")
    context_noise: float = Field(0.1, ge=0, lt=1, description="noise share that frames carry which were seen")
    seed: int = Field(0, ge=0, description="seed of the scenes, of drawn actions and of resampling")


class MotionConfig(Section):
    """Where things will be: positions read from world states that the state dynamics foretell."""

    recordings: int = Field(120, ge=2, description="training recordings that the read-out is fitted on")
    windows: int = Field(480, ge=20, description="foretold windows from test recordings")
    seed: int = Field(0, ge=0, description="seed of draws and resampling")


class CausalConfig(Section):
    """Other actions, by the state dynamics and in the simulator: what would change, what would not have happened."""

    learned_from: int = Field(
        100, ge=2, description="new rooms, and as many with a strange hand, that reading is learned in"
    )
    rooms: int = Field(160, ge=2, description="other new rooms, which the questions are asked about")
    windows: int = Field(640, ge=20, description="windows of these rooms that are run again with other actions")
    moved: float = Field(0.2, gt=0, description="how far a body must get for something to have happened, room widths")
    seed: int = Field(0, ge=0, description="seed of draws and resampling")


class Evaluations(Section):
    """One section an evaluation."""

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
