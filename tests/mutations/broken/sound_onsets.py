"""Mutants of the sound of dreams whose onsets are drawn from the picture."""

from __future__ import annotations

from broken.mutant import Mutant

FILE, TEST = "generation/sound_onsets.py", "test_sound_onsets.py::"

MUTANTS = (
    Mutant(
        "an onset that is heard before it is seen",
        FILE,
        "h = F.silu(self.sense(torch.cat(sight, dim=1)))",
        "h = F.silu(self.sense(torch.cat(sight, dim=1) + levels.mean()))",
        (TEST + "test_when_something_sounds_does_not_depend_on_the_last_sound",),
        cheap=True,
    ),
    Mutant(
        "rises within one part",
        FILE,
        "reach = min(REACH, self.tokens)",
        "reach = 1",
        (TEST + "test_the_class_is_how_far_the_level_rises_within_the_last_parts",),
        cheap=True,
    ),
    Mutant(
        "flags drawn from what is left of no class",
        FILE,
        "left = (top - uniform) / chance.clamp_min(1e-6)",
        "left = uniform",
        (TEST + "test_draws_are_as_frequent_as_their_chances",),
        cheap=True,
    ),
    Mutant(
        "draws that change from step to step",
        FILE,
        "noise = noised[:, 0, -1].float() / (1 - tau)",
        "noise = noised[:, 0, -1].float()",
        (TEST + "test_draws_are_as_frequent_as_their_chances",),
        cheap=True,
    ),
    Mutant(
        "levels that run away",
        FILE,
        "levels = levels.clamp(-_BOUND, _BOUND)",
        "levels = levels",
        (TEST + "test_levels_of_a_dream_do_not_run_away",),
        cheap=True,
    ),
    Mutant(
        "levels without heavy tails",
        FILE,
        "torch.log1p(off.square() / _FREEDOM)",
        "(off.square() / _FREEDOM)",
        (TEST + "test_surprise_is_the_likelihood_of_class_flag_and_levels",),
        cheap=True,
    ),
    Mutant(
        "sound that leads sight",
        "generation/paths.py",
        "self._hear(seen, parts[0].detach(), ",
        "self._hear(seen, parts[0], ",
        (TEST + "test_sound_is_learned_in_all_steps_and_does_not_lead_sight",),
    ),
    Mutant(
        "sound of sharp dreams that is not drawn",
        "generation/paths.py",
        "keep, sharpness > 1)",
        "keep, False)",
        (TEST + "test_sharp_dreams_draw_onsets_and_their_seed_decides",),
    ),
)
