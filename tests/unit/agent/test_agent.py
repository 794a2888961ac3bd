"""The agent's codes and heads, what each of them learns from, and how dreams move the policy."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sensorium.agent.agent import ActionCode, Actor, Agent, divergence, log_chance, pick
from sensorium.agent.cloning_learner import CloningLearner
from sensorium.agent.config import CloningConfig, ImaginationConfig
from sensorium.agent.imagination_learner import ImaginationLearner
from sensorium.data.environment import Observation
from sensorium.data.sample_formats import to_images, to_sounds
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.generation.conditioning import Conditioning
from sensorium.generation.config import DynamicsConfig
from sensorium.generation.dream import Dreamer
from sensorium.generation.observations import ObservationEncoder
from sensorium.generation.tokenizer_config import AudioTokenizerConfig, VideoTokenizerConfig
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.randomness import Draw

CONTINUOUS, DISCRETE = {"kind": "continuous", "size": 2}, {"kind": "discrete", "size": 5}
DYNAMICS = DynamicsConfig(
    dim=32, heads=2, key_heads=1, layers=2, time_every=2, registers=1, frames=4, long_frames=8, window=6
)
CLONING = CloningConfig(distances=3)
IMAGINATION = ImaginationConfig(context=3, horizon=5, denoising_steps=1, discount=0.9)


def draw(rows: int, step: int = 0) -> Draw:
    return Draw(0, step, 0, rows, rows, torch.device("cpu"))


def agent(action: dict[str, object] = CONTINUOUS) -> Agent:
    torch.manual_seed(0)
    shapes = {"video": 4, "grid": True, "audio": 0, "channels": 3, "action": action}
    model = Agent(CLONING, {"dynamics": {"config": DYNAMICS.model_dump(mode="json"), "shapes": shapes}})
    model.dynamics.describe(torch.zeros(4, 3), torch.full((4, 3), 0.6), torch.full((4, 3), 0.09))
    return model


def cloner(model: Agent) -> CloningLearner:
    tokenizer = VideoTokenizer(VideoTokenizerConfig(width=4, channels=3), {"size": 16})
    return CloningLearner(model, CLONING, DYNAMICS, tokenizer)


def world(rows: int, seed: int = 0, frames: int = 11) -> dict[str, torch.Tensor]:
    """Tokens are moved by actions, which tend to be repeated; what is earned is how far the first number is."""
    generator = torch.Generator().manual_seed(seed)
    fresh, held = torch.rand(rows, frames, 2, generator=generator) * 2 - 1, []
    for frame in range(frames):
        keep = torch.rand(rows, 1, generator=generator) < 0.7
        held.append(torch.where(keep & (frame > 0), held[-1] if held else fresh[:, 0], fresh[:, frame]))
    action = torch.stack(held, dim=1)
    place = (torch.rand(rows, 1, 2, generator=generator) * 2 - 1) + 0.4 * action.cumsum(1)
    latent = torch.cat([place, -place[..., :1]], -1)[:, :, None].expand(-1, -1, 4, -1)
    latent = (0.5 * latent.clamp(-2, 2)).half()
    return {"latent": latent, "scene": latent[:, 0], "action": action, "reward": place[..., 0].clamp(-2, 2)}


def test_codes_of_actions_give_them_back():
    code = ActionCode(CONTINUOUS)
    actions = torch.rand(50, 2) * 2 - 1
    weights = code.encode(actions)
    assert weights.shape == (50, 2, 11)
    bins = code.decode(torch.arange(11))
    assert torch.allclose((weights * bins).sum(-1), actions, atol=1e-6)
    assert torch.allclose(code.decode(code.encode(bins[:, None]).argmax(-1)), bins[:, None])
    keys = ActionCode(DISCRETE)
    pressed = torch.tensor([[0, 4], [2, 2]])
    assert torch.equal(keys.decode(keys.encode(pressed).argmax(-1)), pressed)


def test_draws_follow_the_chances():
    chances = torch.tensor([[0.1, 0.0, 0.6, 0.3], [0.25, 0.25, 0.25, 0.25]]).log()
    chosen = pick(chances.expand(20_000, -1, -1), torch.rand(20_000, 2, generator=torch.Generator().manual_seed(0)))
    for part in (0, 1):
        found = torch.bincount(chosen[:, part], minlength=4) / 20_000
        assert torch.allclose(found, chances[part].exp(), atol=0.015)
    assert pick(chances, torch.tensor([0.9999999, 0.0])).tolist() == [3, 0]


def test_chances_and_divergence_add_up_over_parts():
    first, second = torch.randn(6, 2, 5).log_softmax(-1), torch.randn(6, 2, 5).log_softmax(-1)
    chosen = torch.randint(5, (6, 2))
    expected = first[torch.arange(6), 0, chosen[:, 0]] + first[torch.arange(6), 1, chosen[:, 1]]
    assert torch.allclose(log_chance(first, chosen), expected)
    known = torch.distributions.kl_divergence(*(torch.distributions.Categorical(logits=x) for x in (first, second)))
    assert torch.allclose(divergence(first, second), known.sum(-1), atol=1e-6)


def test_a_policy_starts_with_even_chances_and_rewards_at_zero():
    model, states = agent(), torch.randn(4, 32)
    assert torch.allclose(model.policy(states).exp(), torch.full((4, 2, 11), 1 / 11))
    assert model.reward.mean(states).tolist() == [0.0] * 4


@pytest.mark.parametrize("kind", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
def test_every_head_gets_a_gradient_and_so_do_the_tokens(kind: dict[str, object]):
    learner = cloner(agent(kind))
    batch = world(4)
    if kind is DISCRETE:
        batch["action"] = torch.randint(5, (4, 11))
    for head in (learner.agent.policy, learner.agent.reward):  # the zeros they start from would stop what lies below
        for layer in head.distances:
            torch.nn.init.normal_(layer.weight, std=0.1)
    torch.nn.init.normal_(learner.agent.dynamics.read_out.weight, std=0.1)
    learner(batch, draw(4))[0].backward()
    silent = [name for name, p in learner.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []
    assert [name for name, _ in learner.named_parameters() if name.endswith("policy.distances.0.weight")]


def test_predictions_at_a_distance_are_compared_with_what_came_then():
    """A perfect prediction at distance n of frame t is the action of t + 1 + n and the reward of t + n."""
    learner, batch = cloner(agent(DISCRETE)), world(3)
    batch["action"] = torch.randint(5, (3, 11))
    batch["reward"] = torch.arange(33).view(3, 11) * 0.5
    code, bins = learner.agent.code, learner.agent.reward.bins

    def sure(weights: torch.Tensor) -> torch.Tensor:
        return (weights + 1e-9).log()

    def losses(shift: int) -> tuple[torch.Tensor, torch.Tensor]:
        learner.agent = SimpleNamespace(  # type: ignore[assignment]
            code=code,
            policy=lambda states, distance: sure(code.encode(batch["action"].roll(shift - 1 - distance, 1)[:, :8])),
            reward=Rewards(),
        )
        return learner.losses(torch.zeros(3, 8, 1), batch)

    class Rewards:
        def __init__(self) -> None:
            self.bins = bins

        def __call__(self, states: torch.Tensor, distance: int) -> torch.Tensor:
            from sensorium.agent.scalars import two_hot

            return sure(two_hot(batch["reward"].roll(-distance, 1)[:, :8], bins))

    learner._modules.pop("agent")
    actions, rewards = losses(0)
    assert actions.shape == rewards.shape == (3,)
    assert actions.max() < 1e-4
    assert rewards.max() < 0.7  # the entropy of a code of two bins is at most ln 2
    assert losses(1)[0].min() > 5  # one who copies a_t, which is among the tokens of frame t, is wrong


def test_the_state_knows_the_past_alone():
    model, batch = agent().eval(), world(2, frames=8)
    for block in model.dynamics.blocks:
        torch.nn.init.normal_(block.attention.merge.weight, std=0.3)
    tokens = model.dynamics.standardise(batch["latent"].float())
    tau, size = torch.full((2, 8), 0.9), torch.full((2, 8), 1 / 64)
    given = Conditioning(tau, size, batch["action"])
    states = model(tokens, given)
    later = batch["action"].clone()
    later[:, 5:] += 1
    after = model(tokens, Conditioning(tau, size, later))
    assert torch.allclose(states[:, :5], after[:, :5], atol=1e-5)
    assert not torch.allclose(states[:, 5], after[:, 5], atol=1e-3)


def test_watching_true_frames_is_what_cloning_saw():
    """Frame by frame through the memory gives the states of a whole window."""
    model, batch = agent().eval(), world(2, frames=8)
    tokens = batch["latent"].float()
    dreamer = Dreamer(model.dynamics, context_noise=0.0, agent=model.token)
    scene = model.dynamics.encode_scene(batch["scene"])
    dreamer.begin(tokens[:, :1], batch["action"][:, :1])
    read = [dreamer.keep()]
    for frame in range(1, 8):
        dreamer.observe(tokens[:, frame : frame + 1], batch["action"][:, frame])
        read.append(dreamer.keep())
    tau, size = torch.ones(2, 8), torch.full((2, 8), 1 / 64)
    given = Conditioning(tau, size, batch["action"], scene=scene)
    states = model(model.dynamics.standardise(tokens), given)
    assert torch.allclose(torch.stack([r[:, 0] for r in read], 1), states, atol=1e-4)
    with pytest.raises(ValueError, match="call keep before observe"):
        dreamer.observe(tokens[:, :1], batch["action"][:, 0]), dreamer.observe(tokens[:, :1], batch["action"][:, 0])


@pytest.mark.parametrize("kind", ["convolutional", "patches"])
def test_observations_are_encoded_step_by_step_as_recordings_are_at_once(kind):
    """Longer than what the sound tokenizer depends on, so a memory that is too short would differ."""
    torch.manual_seed(0)
    sight = VideoTokenizer(VideoTokenizerConfig(kind=kind, width=4, channels=3), {"size": 16})
    hearing = AudioTokenizer(AudioTokenizerConfig(width=8, channels=3), {"samples_per_frame": 1000}).eval()
    rng, frames = np.random.default_rng(0), hearing.past + 6
    video = rng.integers(0, 256, (2, frames, 16, 16, 3), np.uint8)
    sound = rng.integers(-9000, 9000, (2, frames, 1000)).astype(np.int16)
    with torch.no_grad():
        seen, heard = (
            sight.encode(to_images(torch.from_numpy(video))),
            hearing.encode(to_sounds(torch.from_numpy(sound.reshape(2, -1)))),
        )
    encoder, body = ObservationEncoder(sight, hearing), np.zeros(0, np.float32)
    memory = encoder.remember()
    for frame in range(frames):
        now = [Observation(video[row, frame], sound[row, frame], body, 0.0, False) for row in (0, 1)]
        tokens = encoder.step(memory, now)
        expected = torch.cat([seen[:, frame : frame + 1], heard[:, frame : frame + 1]], dim=2)
        assert torch.allclose(tokens, expected, atol=1e-4)


def imaginer(model: Agent) -> ImaginationLearner:
    actor = Actor(IMAGINATION, {"dim": 32, "distances": 3, "action": CONTINUOUS})
    actor.policy.load_state_dict(model.policy.state_dict())
    return ImaginationLearner(actor, model, IMAGINATION)


def test_dreams_do_not_depend_on_the_rows_beside_them():
    learner, batch = imaginer(agent()), {name: value[:, :3] for name, value in world(6).items()}
    whole = learner.embed(batch, draw(6))
    part = learner.embed({name: value[2:4] for name, value in batch.items()}, draw(6).rows(2, 4))
    assert torch.allclose(whole[2:4], part, atol=1e-5)


def test_what_moves_the_policy_by_hand():
    """The divergence is KL[pi || prior]; the advantage is over the value of the state that was acted in."""
    model, batch = agent(), {name: value[:, :3] for name, value in world(6).items()}
    learner = imaginer(model)
    for head in (model.policy, learner.actor.policy, learner.actor.value):
        torch.nn.init.normal_(head.distances[0].weight, std=0.3)
    acting = learner.imagine(batch, draw(6)).states[:, :-1]
    _, advantage, divergence_, _, returns = learner.embed(batch, draw(6)).unbind(-1)
    pi, prior = (
        torch.distributions.Categorical(logits=policy(acting)) for policy in (learner.actor.policy, model.policy)
    )
    assert torch.allclose(divergence_, torch.distributions.kl_divergence(pi, prior).sum(-1), atol=1e-5)
    assert not torch.allclose(divergence_, torch.distributions.kl_divergence(prior, pi).sum(-1), atol=1e-3)
    assert torch.allclose(advantage, returns - learner.actor.value.mean(acting), atol=1e-5)


def test_only_policy_and_value_learn_in_dreams():
    learner, batch = imaginer(agent()), {name: value[:, :3] for name, value in world(6).items()}
    assert all(name.startswith("actor.") for name in learner.state_dict())
    learner(batch, draw(6))[0].backward()
    assert all(p.grad is None for p in learner._agent[0].parameters())
    assert learner.actor.policy.distances[0].weight.grad.abs().sum() > 0
    assert learner.actor.value.distances[0].weight.grad.abs().sum() > 0


def test_cloning_then_dreaming_earns_more_in_the_true_world():
    """The whole way on a world that is known: actions move the tokens, and what is earned is how far they are."""
    model = agent()
    learner = cloner(model)
    optimiser = torch.optim.Adam(learner.parameters(), lr=6e-3)
    for step in range(120):
        loss, metrics = learner(world(16, step), draw(16, step))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        learner.observe({name: metrics[name] for name in learner.observed})
    unseen = world(64, 10_000)
    model.eval()
    with torch.no_grad():
        losses = learner.losses(learner._states(learner._shown(unseen)), unseen)
    assert losses[0][0] < 4.4, "a uniform distribution has 4.8 nats; repeated actions are predictable"
    assert losses[0][0] < losses[0][2], "nearer actions are easier"
    imagination = imaginer(model)
    optimiser = torch.optim.Adam(imagination.actor.parameters(), lr=3e-3)
    for step in range(30):
        batch = {name: value[:, :3] for name, value in world(32, 20_000 + step).items()}
        loss, _ = imagination(batch, draw(32, step))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    begin = world(64, 30_000)
    earned = {}
    for name, policy in (("clone", model.policy), ("agent", imagination.actor.policy)):
        place, generator = begin["latent"][:, 0, 0, :2].float() / 0.5, torch.Generator().manual_seed(0)
        dreamer = Dreamer(model.dynamics, agent=model.token)
        dreamer.begin(begin["latent"][:, :1].float(), begin["action"][:, :1])
        total = 0.0
        for _ in range(8):  # the world itself, not a dream of it
            with torch.no_grad():
                action = policy.code.decode(pick(policy(dreamer.keep()[:, 0]), torch.rand(64, 2, generator=generator)))
            place = place + 0.4 * action
            latent = torch.cat([place, -place[..., :1]], -1)[:, None].expand(-1, 4, -1).clamp(-2, 2) * 0.5
            dreamer.observe(latent[:, None], action)
            total += float(place[:, 0].clamp(-2, 2).mean())
        earned[name] = total
    assert earned["agent"] > earned["clone"] + 2
