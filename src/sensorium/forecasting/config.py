"""Settings of forecasting: the dynamics of the world state, and how they are judged."""

from __future__ import annotations

from pydantic import Field

from sensorium.config import PlainTraining, Section, Training, Width, WorldSettings


class StateDynamicsConfig(Section):
    """Small recurrent network that predicts the next world states from earlier ones and actions."""

    width: Width = Field(256, ge=8, description="width of the recurrent state")
    context: int = Field(
        6, ge=2, description="given world states before the prediction begins, in training and evaluation"
    )
    horizon: int = Field(10, ge=1, description="frames that are predicted, each from the prediction before")
    training: PlainTraining = Training(steps=700, batch=64, lr=2e-3)


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


class FieldsConfig(Section):
    """Fields of occupancy and momentum of bodies: readout from world states, seen, hidden and predicted."""

    recordings: int = Field(100, ge=2, description="recordings, of the training and of the test split each")
    windows: int = Field(
        1000, ge=40, description="windows of training recordings that readouts are fitted on; half as many are judged"
    )
    hidden: int = Field(
        8, ge=1, description="frames without sight at the end of a window, for the metric hidden; at most all but one"
    )
    cells: int = Field(8, ge=2, description="cells along each side of the grid over the room")
    seed: int = Field(0, ge=0, description="seed of random draws and of the bootstrap")


class ForecastingEvaluations(Section):
    """How forecasts of the world state are judged."""

    motion: MotionConfig = MotionConfig()
    causal: CausalConfig = CausalConfig()
    fields: FieldsConfig = FieldsConfig()


class ForecastingSettings(WorldSettings):
    """The sections of forecasting, and what they require of the recordings."""

    state_dynamics: StateDynamicsConfig = StateDynamicsConfig()
    evaluations: ForecastingEvaluations = ForecastingEvaluations()

    def forecasts(self) -> bool:
        """Whether the line runs: it needs world states, and a truth that holds positions."""
        return self.lines.representation and self.places_are_known()

    def evaluations_on(self) -> list[str]:
        """Names of the evaluations that run, as far as the source has truth for them."""
        return [*super().evaluations_on(), *(["motion", "causal", "fields"] if self.forecasts() else [])]

    def trained(self) -> list[str]:
        """Folders of the models that this line trains, below results/."""
        return [*super().trained(), *(["state_dynamics"] if self.forecasts() else [])]

    def windows(self) -> dict[str, int]:
        """Frames of one recording that each setting needs."""
        frames = self.state_dynamics.context + self.state_dynamics.horizon
        own = {"state_dynamics.context + state_dynamics.horizon": frames} if self.forecasts() else {}
        return super().windows() | own
