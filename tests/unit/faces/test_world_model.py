"""The library's face on a folder of small untrained models: shapes, windows, what is missing or does not fit."""

from __future__ import annotations

import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import toy_world
from toy_generation import DYNAMICS, TOKENIZER
from toy_perception import AUDIO, FUSION, FUSION_SHAPES, VISION
from toy_world import DETAILS, ENCODER_SHAPES, SIZE, SOUND_SHAPES, write_model

import sensorium
from sensorium.artifacts import ArtifactError, read_json, write_json
from sensorium.config import FolderConfig
from sensorium.data.sample_formats import FULL_SCALE, to_images
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.generation.config import FineConfig
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.tokenizer_config import AudioTokenizerConfig, VideoTokenizerConfig
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.perception.config import FinetuneConfig
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.fusion import Fusion
from sensorium.perception.joint import Joint
from sensorium.world_model import Perception, WorldModel

EXAMPLE = Path(__file__).parents[3] / "examples/perceive_and_imagine.py"
TOKENS = (SIZE // 8) ** 2
SOUND_TOKENIZER = AudioTokenizerConfig(width=8, layers=1, channels=TOKENIZER.channels)
DYNAMICS_SHAPES = {
    "video": TOKENS,
    "grid": True,
    "audio": 0,
    "channels": TOKENIZER.channels,
    "action": DETAILS["action"],
}


def perception(folder: Path) -> None:
    vision = write_model(
        folder / "encoders/vision", VisionEncoder(VISION, ENCODER_SHAPES), "encoder_vision", VISION, ENCODER_SHAPES
    )
    audio = write_model(
        folder / "encoders/audio", AudioEncoder(AUDIO, SOUND_SHAPES), "encoder_audio", AUDIO, SOUND_SHAPES
    )
    fusion = Fusion(FUSION, FUSION_SHAPES)
    write_model(folder / "fusion", fusion, "fusion", FUSION, FUSION_SHAPES, vision=vision, audio=audio)


def imagination(folder: Path, action: dict | None = DETAILS["action"], sound: int = 0) -> None:
    tokenizer = write_model(
        folder / "tokenizers/video",
        VideoTokenizer(TOKENIZER, ENCODER_SHAPES),
        "tokenizer_video",
        TOKENIZER,
        ENCODER_SHAPES,
    )
    shapes = {**DYNAMICS_SHAPES, "action": action, "audio": sound}
    dynamics = Dynamics(DYNAMICS, shapes)
    torch.nn.init.normal_(dynamics.read_out.weight, std=0.3)  # untrained ones heed nothing
    write_model(folder / "dynamics", dynamics, "dynamics", DYNAMICS, shapes, tokenizer=tokenizer)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("made") / "results"
    perception(folder)
    imagination(folder)
    return folder


@pytest.fixture
def model(results: Path) -> WorldModel:
    return sensorium.load(results, device="cpu")


@pytest.fixture(scope="module")
def fields() -> dict[str, np.ndarray]:
    return toy_world.recording(3)


def test_all_senses_to_world_states(model: WorldModel, fields: dict[str, np.ndarray]) -> None:
    seen = model.perceive(fields["video"], fields["audio"], fields["body"])
    assert seen.world.shape == (toy_world.FRAMES, FUSION.dim)
    assert seen.vision is not None
    assert seen.vision.shape == (toy_world.FRAMES, VISION.dim)
    assert seen.audio is not None
    assert seen.audio.shape == (toy_world.FRAMES, AUDIO.dim)
    assert all(array.dtype == np.float32 for array in (seen.world, seen.vision, seen.audio))


def test_a_state_comes_from_the_window_that_ends_with_its_frame(
    model: WorldModel, fields: dict[str, np.ndarray]
) -> None:
    world = model.perceive(fields["video"], body=fields["body"]).world
    for last in (4, FUSION.frames - 1, FUSION.frames, 20):
        part = slice(max(0, last + 1 - FUSION.frames), last + 1)
        alone = model.perceive(fields["video"][part], body=fields["body"][part]).world
        np.testing.assert_allclose(alone[-1], world[last], atol=1e-5)
    longer = model.perceive(fields["video"][:-1], body=fields["body"][:-1]).world
    np.testing.assert_allclose(longer, world[:-1], atol=1e-5)


def test_a_sense_may_be_missing_and_makes_a_difference(model: WorldModel, fields: dict[str, np.ndarray]) -> None:
    whole = model.perceive(fields["video"], fields["audio"], fields["body"]).world
    deaf = model.perceive(fields["video"], body=fields["body"])
    blind = model.perceive(audio=fields["audio"])
    assert deaf.audio is None
    assert blind.vision is None
    assert np.abs(deaf.world - whole).max() > 1e-3
    assert np.abs(blind.world - whole).max() > 1e-3


def test_sound_may_be_whole_numbers_or_fractions(model: WorldModel, fields: dict[str, np.ndarray]) -> None:
    whole = model.perceive(audio=fields["audio"]).world
    fractions = model.perceive(audio=fields["audio"].astype(np.float64) / FULL_SCALE).world
    np.testing.assert_array_equal(whole, fractions)


def test_a_dream_follows_its_actions_and_seed(model: WorldModel, fields: dict[str, np.ndarray]) -> None:
    actions = fields["action"]
    seen = model.perceive(fields["video"][:20], actions=actions[:20])
    dream = model.imagine(actions[20:25]).video
    assert dream.shape == (5, SIZE, SIZE, 3)
    assert dream.dtype == np.uint8
    model.perceive(fields["video"][5:], actions=actions[5:])
    np.testing.assert_array_equal(model.imagine(actions[20:25], after=seen).video, dream)
    assert (model.imagine(-actions[20:25], after=seen).video != dream).any()
    assert (model.imagine(actions[20:25], after=seen, seed=1).video != dream).any()
    shorter = model.imagine(actions[20:23], after=seen).video
    np.testing.assert_array_equal(shorter, dream[:3])


def test_tokenizer_and_dynamics_alone_imagine(tmp_path: Path, fields: dict[str, np.ndarray]) -> None:
    imagination(tmp_path)
    model, actions = sensorium.load(tmp_path, device="cpu"), fields["action"]
    dream = model.imagine(actions[9:12], after=Perception(video=fields["video"][:9], actions=actions[:9]))
    assert dream.video.shape == (3, SIZE, SIZE, 3)
    assert dream.sound is None
    with pytest.raises(ValueError, match=r"wants uint8 \[T, 16, 16, 3\]"):
        model.imagine(actions[9:12], after=Perception(video=fields["video"][:9, :8], actions=actions[:9]))


def test_a_dream_with_sound_goes_on_from_what_was_heard(tmp_path: Path, fields: dict[str, np.ndarray]) -> None:
    perception(tmp_path)
    tokenizer = AudioTokenizer(SOUND_TOKENIZER, SOUND_SHAPES)
    write_model(tmp_path / "tokenizers/audio", tokenizer, "tokenizer_audio", SOUND_TOKENIZER, SOUND_SHAPES)
    imagination(tmp_path, sound=SOUND_TOKENIZER.tokens)
    model = sensorium.load(tmp_path, device="cpu")
    actions = fields["action"]
    model.perceive(fields["video"][:20], actions=actions[:20])
    with pytest.raises(ValueError, match="call perceive with the audio"):
        model.imagine(actions[20:23])
    model.perceive(fields["video"][:20], fields["audio"][:20_000], actions=actions[:20])
    dream = model.imagine(actions[20:23])
    assert dream.sound is not None
    assert dream.sound.shape == (3000,)
    assert dream.sound.dtype == np.int16
    assert dream.video.shape == (3, SIZE, SIZE, 3)
    model.perceive(fields["video"][:20], fields["audio"][20_000::-1][:20_000], actions=actions[:20])
    assert (model.imagine(actions[20:23]).sound != dream.sound).any()


def test_a_dream_with_a_body_goes_on_from_what_was_felt(tmp_path: Path, fields: dict[str, np.ndarray]) -> None:
    tokenizer = VideoTokenizerConfig(kind="patches", channels=12)
    write_model(
        tmp_path / "tokenizers/video",
        VideoTokenizer(tokenizer, ENCODER_SHAPES),
        "tokenizer_video",
        tokenizer,
        ENCODER_SHAPES,
    )
    fine = FineConfig(width=8, blocks=2, pool=2, reach=1, crop=4, body=True)
    config = DYNAMICS.model_copy(update={"path": "fine", "fine": fine})
    shapes = {**DYNAMICS_SHAPES, "video": (SIZE // 2) ** 2, "channels": 12, "pixels": 2, "body": 2}
    dynamics = Dynamics(config, shapes)
    torch.nn.init.normal_(dynamics.fine.body.step[:, 1:], std=0.3)
    manifest = tmp_path / "tokenizers/video/manifest.json"
    write_model(tmp_path / "dynamics", dynamics, "dynamics", config, shapes, tokenizer=manifest)
    model, actions = sensorium.load(tmp_path, device="cpu"), fields["action"]
    seen = Perception(video=fields["video"][:9], actions=actions[:9], body=fields["body"][:9])
    dream = model.imagine(actions[9:12], after=seen)
    assert dream.body is not None
    assert dream.body.shape == (3, 2)
    assert dream.body.dtype == np.float32
    other = model.imagine(actions[9:12], after=replace(seen, body=fields["body"][:9] + 1)).body
    assert (other != dream.body).all()
    with pytest.raises(ValueError, match="this model dreams its body: call perceive with the body"):
        model.imagine(actions[9:12], after=replace(seen, body=None))
    with pytest.raises(ValueError, match=r"body is float32 \[8, 2\]: this model wants numbers \[9, 2\]"):
        model.imagine(actions[9:12], after=replace(seen, body=fields["body"][:8]))


def test_choices_and_no_actions_at_all(tmp_path: Path, fields: dict[str, np.ndarray]) -> None:
    for name, action in (("choices", {"kind": "discrete", "size": 4}), ("none", None)):
        folder = tmp_path / name
        perception(folder)
        imagination(folder, action)
        model = sensorium.load(folder, device="cpu")
        model.perceive(fields["video"][:9], actions=np.arange(9) % 4)
        assert model.imagine([1, 3]).video.shape == (2, SIZE, SIZE, 3)
        if action is None:  # a number of frames is enough
            np.testing.assert_array_equal(model.imagine(2).video, model.imagine([1, 3]).video)
            model.perceive(fields["video"][:9])
            assert model.imagine(3).video.shape == (3, SIZE, SIZE, 3)
            for nothing in (0, -1, []):
                with pytest.raises(ValueError, match="actions is empty"):
                    model.imagine(nothing)
        else:
            with pytest.raises(ValueError, match=r"actions is int64 \[\]: this model wants whole numbers \[T\]"):
                model.imagine(2)
            with pytest.raises(ValueError, match="actions has 0 to 4: this model knows 0 to 3"):
                model.imagine([0, 4])
            with pytest.raises(ValueError, match=r"actions is float64 \[1, 2\]: this model wants whole numbers \[T\]"):
                model.imagine([[0.5, 1.0]])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "nothing to perceive"),
        (
            {"video": np.zeros((4, 8, 8, 3), np.uint8)},
            r"uint8 \[4, 8, 8, 3\]: .* wants uint8 \[T, 16, 16, 3\]",
        ),
        ({"video": np.zeros((4, 16, 16, 3))}, r"video is float64 .* wants uint8"),
        ({"audio": np.zeros(1500, np.int16)}, "1500 samples: this model wants 1000 for each frame"),
        ({"audio": np.zeros((2, 1000), np.int16)}, r"audio is int16 \[2, 1000\]"),
        ({"body": np.zeros((4, 3))}, r"body is float64 \[4, 3\]: .* \[T, 2\]"),
        ({"body": np.zeros((4, 2)), "audio": np.zeros(3000, np.int16)}, "audio 3, body 4"),
        ({"body": np.zeros((0, 2))}, "one at least; given are body 0"),
    ],
)
def test_what_does_not_fit_is_named(model: WorldModel, given: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.perceive(**given)


def test_a_dream_needs_something_to_go_on_from(model: WorldModel, fields: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="call perceive with a video first"):
        model.imagine(fields["action"])
    model.perceive(fields["video"])
    with pytest.raises(ValueError, match="the actions that led to its frames"):
        model.imagine(fields["action"])
    model.perceive(fields["video"], actions=fields["action"])
    with pytest.raises(ValueError, match="actions is empty"):
        model.imagine(fields["action"][:0])


def test_a_finetuned_model_perceives_by_itself_and_imagines_by_its_neighbours(
    tmp_path: Path, fields: dict[str, np.ndarray]
) -> None:
    perception(tmp_path)
    imagination(tmp_path)
    parts = {
        "vision": ("encoders/vision", VISION, ENCODER_SHAPES),
        "audio": ("encoders/audio", AUDIO, SOUND_SHAPES),
        "fusion": ("fusion", FUSION, FUSION_SHAPES),
    }
    shapes = {name: {"config": config.model_dump(mode="json"), "shapes": s} for name, (_, config, s) in parts.items()}
    section = FinetuneConfig()
    joint = Joint(section, shapes)
    write_model(tmp_path / "finetuned", joint, "finetuned", section, shapes)
    video, audio, body, actions = (fields[name] for name in ("video", "audio", "body", "action"))
    apart, together = (sensorium.load(tmp_path / name, device="cpu") for name in ("", "finetuned"))
    before, after = (model.perceive(video, audio, body, actions) for model in (apart, together))
    assert after.world is not None
    assert after.world.shape == (toy_world.FRAMES, FUSION.dim)
    assert np.abs(after.world - before.world).max() > 1e-3
    with torch.no_grad():
        pictures = to_images(torch.from_numpy(video))
        np.testing.assert_allclose(after.vision, joint.vision(pictures).numpy(), atol=1e-5)
    dreams = [model.imagine(actions[:3]).video for model in (apart, together)]
    np.testing.assert_array_equal(*dreams)
    with pytest.raises(ValueError, match=r"wants uint8 \[T, 16, 16, 3\]"):
        together.perceive(video[:, :8])
    for part in ("encoders/vision", "encoders/audio", "fusion"):
        (tmp_path / part / "manifest.json").unlink()
    np.testing.assert_array_equal(
        sensorium.load(tmp_path / "finetuned").perceive(video, audio, body).world, after.world
    )


def test_what_is_not_there_is_named_with_the_command_that_makes_it(
    tmp_path: Path, fields: dict[str, np.ndarray]
) -> None:
    with pytest.raises(ArtifactError, match=r"no such folder; make the workflow's results with: snakemake"):
        sensorium.load(tmp_path / "results")
    perception(tmp_path)
    model = sensorium.load(tmp_path)
    model.perceive(fields["video"], actions=fields["action"])
    with pytest.raises(ArtifactError, match=r"dynamics/manifest.json: not there.*-j1 results/dynamics/manifest.json"):
        model.imagine(fields["action"])
    (tmp_path / "fusion/manifest.json").unlink()
    with pytest.raises(ArtifactError, match=r"fusion/manifest.json: not there.*-j1 results/fusion/manifest.json"):
        sensorium.load(tmp_path).perceive(fields["video"])


def test_parts_that_do_not_belong_together_are_refused(tmp_path: Path, fields: dict[str, np.ndarray]) -> None:
    perception(tmp_path)
    manifest = tmp_path / "encoders/vision/manifest.json"
    manifest.write_text(manifest.read_text() + "\n")
    expected = r"fusion/manifest.json: not made from .*vision/manifest.json as it is now.* results/fusion/manifest.json"
    with pytest.raises(ArtifactError, match=expected):
        sensorium.load(tmp_path).perceive(fields["video"])


@pytest.mark.parametrize("heard", [True, False])
def test_the_example_runs_on_films_which_have_no_actions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], heard: bool
) -> None:
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), str(tmp_path)])
    with pytest.raises(SystemExit, match=r"no recordings of a world .* make them with: snakemake"):
        runpy.run_path(str(EXAMPLE))
    perception(tmp_path)
    imagination(tmp_path, action=None)
    streams = ("video", "audio") if heard else ("video",)
    films = {f"film-{number}": toy_world.recording(number) for number in range(toy_world.RECORDINGS)}
    films = {name: {stream: fields[stream] for stream in streams} for name, fields in films.items()}
    section = FolderConfig(path="films", streams=streams)
    manifest = toy_world.write_recordings(tmp_path / "data/folder", films, section)
    content = read_json(manifest)
    content["details"] |= {"action": None, "body": 0, "source": "folder"}
    del content["details"]["labels"]
    write_json(manifest, content)
    runpy.run_path(str(EXAMPLE))
    printed = capsys.readouterr().out
    assert f"a world state of {FUSION.dim} numbers at each of 16 frames" in printed
    assert "it expects the next 8 frames with" in printed


def test_importing_brings_no_torch() -> None:
    code = "import sys, sensorium; assert 'torch' not in sys.modules; assert callable(sensorium.load)"
    subprocess.run([sys.executable, "-c", code], check=True)
