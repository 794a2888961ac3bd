"""Mutants of Gymnasium as a source, and of the ends of episodes."""

from __future__ import annotations

from broken.mutant import Mutant

MUTANTS = (
    Mutant(
        "a time limit ends the world",
        "data/sources/gymnasium.py",
        "[not each.terminated for each in seen]",
        "[not (each.terminated or each.truncated) for each in seen]",
        ("test_gymnasium.py::test_a_time_limit_is_no_end_of_the_world",),
        cheap=True,
    ),
    Mutant(
        "an episode that has ended goes on",
        "data/worlds/world.py",
        "self._ended = bool(terminated or truncated)",
        "self._ended = False",
        ("test_gymnasium.py::test_an_episode_that_ends_is_followed_by_another",),
        cheap=True,
    ),
    Mutant(
        "every recording has one seed",
        "data/sources/gymnasium.py",
        'stable_seed(config.seed, "gymnasium", number)',
        'stable_seed(config.seed, "gymnasium")',
        ("test_gymnasium.py::test_a_recording_is_what_its_details_say_and_a_function_of_seed_and_number",),
        cheap=True,
    ),
    Mutant(
        "rewards of repeated steps are lost",
        "data/worlds/world.py",
        "earned += float(reward)",
        "earned = float(reward)",
        ("test_gymnasium.py::test_warm_ups_begin_recordings_differently_and_repeats_add_up",),
        cheap=True,
    ),
    Mutant(
        "choices are counted from zero",
        "data/worlds/actions.py",
        "entries = self._low + np.array(",
        "entries = np.array(",
        ("test_worlds.py::test_actions_there_and_back",),
        cheap=True,
    ),
    Mutant(
        "numbers without bounds as actions",
        "data/worlds/actions.py",
        "if not (np.isfinite(low).all() and np.isfinite(high).all()):",
        "if not (np.isfinite(low).any() or np.isfinite(high).any()):",
        ("test_worlds.py::test_actions_that_cannot_be_handled",),
        cheap=True,
    ),
    Mutant(
        "bounded observations as they are",
        "data/worlds/observations.py",
        "bounded = (np.abs(low) <= LARGEST_BOUND)",
        "bounded = (np.abs(low) < 0)",
        ("test_worlds.py::test_observations_by_hand",),
        cheap=True,
    ),
    Mutant(
        "a text is left out in silence",
        "data/worlds/observations.py",
        "if name == picture or name in leave_out:",
        "if name == picture or name in leave_out or isinstance(part, spaces.Text):",
        ("test_gymnasium.py::test_what_cannot_be_recorded_is_refused_by_name",),
        cheap=True,
    ),
    Mutant(
        "a policy is not tried",
        "data/worlds/probe.py",
        "policy = policy_of(config, world.actions,",
        'policy = policy_of(config.model_copy(update={"policy": "random"}), world.actions,',
        ("test_gymnasium.py::test_what_cannot_be_recorded_is_refused_by_name",),
        cheap=True,
    ),
    Mutant(
        "returns go on after the end",
        "agent/imagination_learner.py",
        "going = episodes.continuation",
        "going = torch.ones_like(episodes.rewards)",
        ("test_continuation.py::test_returns_stop_where_the_world_ends",),
        cheap=True,
    ),
    Mutant(
        "ends are predicted a frame late",
        "agent/cloning_learner.py",
        "going[:, distance : distance + frames]",
        "going[:, distance + 1 : distance + 1 + frames]",
        ("test_continuation.py::test_ends_at_a_distance_are_compared_with_what_came_then",),
        cheap=True,
    ),
)
