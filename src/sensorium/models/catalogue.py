"""The parts that a workflow trains: where each stands in the results, what reads it, what it was made from.

This file names classes by text and never imports torch, so a program that finds a model by its manifest imports no
line that it does not use.
"""

from __future__ import annotations

# kind of a manifest -> where it stands in the results
PLACES = {
    "encoder_vision": "encoders/vision",
    "encoder_audio": "encoders/audio",
    "fusion": "fusion",
    "finetuned": "finetuned",
    "state_dynamics": "state_dynamics",
    "tokenizer_video": "tokenizers/video",
    "tokenizer_audio": "tokenizers/audio",
    "dynamics": "dynamics",
    "clone": "clone",
    "agent": "agent",
    "puzzle_sound": "puzzle/sound",
    "puzzle_sight": "puzzle/sight",
    "puzzle_text": "puzzle/text",
    "puzzle_joint": "puzzle/joint",
    "puzzle_next": "puzzle/next",
    "music_mask": "music/mask",
    "music_cascade": "music/cascade",
    "music_codec": "music/codec",
    "puzzle_sound_list": "puzzle/sound_list",
    "puzzle_sound_legacy": "puzzle/sound_legacy",
    "puzzle_sight_legacy": "puzzle/sight_legacy",
    "puzzle_text_legacy": "puzzle/text_legacy",
}

# kind of a manifest -> the class that reads it, for programs that take more than one kind of model
CLASSES = {
    "encoder_vision": "sensorium.perception.encoders:VisionEncoder",
    "encoder_audio": "sensorium.perception.encoders:AudioEncoder",
    "tokenizer_video": "sensorium.generation.tokenizers:VideoTokenizer",
    "tokenizer_audio": "sensorium.generation.audio_tokenizer:AudioTokenizer",
    "puzzle_sound": "sensorium.puzzle.sound_map:SoundMap",
    "puzzle_sight": "sensorium.puzzle.sight_map:SightMap",
    "puzzle_sound_list": "sensorium.puzzle.sound_list:SoundList",
    "puzzle_sound_legacy": "sensorium.puzzle.legacy:LegacySound",
    "puzzle_sight_legacy": "sensorium.puzzle.legacy:LegacySight",
}

# place -> the inputs that its manifest records, by role, and the place where each belongs.
# The data of encoders, tokenizers, puzzle codes, fusion and fine-tuning are not listed: they may have learned from
# another set than the one they are judged on. Everything listed must be the very file that is used beside it.
MADE_FROM = {
    "puzzle/text": {"texts": "puzzle/texts"},
    "puzzle/next": {"data": "data", "sight": "puzzle/sight"},
    "puzzle/joint": {"data": "data", "sound": "puzzle/sound", "sight": "puzzle/sight", "text": "puzzle/text"},
    "music/mask": {"songs": "music/songs"},
    "music/cascade": {"songs": "music/songs"},
    "music/codec": {"songs": "music/songs"},
    "puzzle/text_legacy": {"data": "puzzle/texts"},
    "fusion": {"vision": "encoders/vision", "audio": "encoders/audio"},
    "finetuned": {"vision": "encoders/vision", "audio": "encoders/audio", "fusion": "fusion"},
    "state_dynamics": {"data": "data", "vision": "encoders/vision", "audio": "encoders/audio", "fusion": "fusion"},
    "latents/video": {"data": "data", "tokenizer": "tokenizers/video"},
    "latents/audio": {"data": "data", "tokenizer": "tokenizers/audio"},
    "dynamics": {"latents": "latents/video", "sound": "latents/audio", "tokenizer": "tokenizers/video"},
    "clone": {
        "latents": "latents/video",
        "sound": "latents/audio",
        "tokenizer": "tokenizers/video",
        "dynamics": "dynamics",
    },
    "agent": {"latents": "latents/video", "sound": "latents/audio", "clone": "clone"},
}
