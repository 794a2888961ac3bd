"""Sizes of generation by arithmetic: numbers of its networks, and bytes that its programs hold. Never imports torch."""

from __future__ import annotations

from sensorium.config import TOKENIZER_STRIDE
from sensorium.config.counts import FLOAT, Counts, blocks, frame_bytes, linear, recorded, vectors
from sensorium.generation.config import GLIMPSE, GLIMPSED, LAST_FRAMES, FineConfig, GenerationSettings, RefinerConfig
from sensorium.generation.tokenizer_config import AudioTokenizerConfig, VideoTokenizerConfig

REAL = 256  # real pieces of `drift`
PICTURES = 512  # training pictures of `control`
HEARD, FILMS = 1120, 140  # training windows of `dreamed_sound`: contexts, and whole films
RECENT, FITTED_WINDOWS, FITTED_BYTES = 6, 1680, 1 << 28  # of films that baselines are fitted on


def convolutional_tokenizer(config: VideoTokenizerConfig) -> Counts:
    """`ConvolutionalTokenizer`."""
    width, wide, wider, channels = config.width, 2 * config.width, 4 * config.width, config.channels

    def residual(n: int) -> Counts:
        return vectors(n, 4) + linear(9 * n, n) + linear(9 * n, n)

    encoder = linear(9 * 12, width) + residual(width) + linear(4 * width, wide) + residual(wide)
    encoder += linear(4 * wide, wider) + residual(wider) + vectors(wider, 2) + linear(wider, channels)
    decoder = linear(9 * channels, wider) + residual(wider) + residual(wider) + linear(4 * wider, wide, bias=False)
    decoder += vectors(wide) + residual(wide) + linear(4 * wide, width, bias=False) + vectors(width) + residual(width)
    return encoder + decoder + vectors(width, 2) + linear(9 * width, 12)


def video_tokenizer(config: VideoTokenizerConfig, size: int) -> Counts:
    """The tokenizer of the section's kind."""
    if config.kind == "patches":
        return Counts(buffers=config.channels * (2 * config.channels + 1))
    return convolutional_tokenizer(config) if config.kind == "convolutional" else transformer_tokenizer(config, size)


def transformer_tokenizer(config: VideoTokenizerConfig, size: int) -> Counts:
    """`TransformerTokenizer`."""
    shape, dim = config.transformer, config.transformer.dim
    pixels, tokens = 3 * shape.patch**2, (size // TOKENIZER_STRIDE) ** 2
    total = linear(pixels, dim) + linear(config.channels, dim) + linear(24, dim, bias=False) + vectors(dim, 3)
    total += vectors(dim, (size // shape.patch) ** 2 + tokens) + blocks(shape, 2 * shape.layers)
    return total + vectors(dim, 2) + linear(dim, config.channels) + linear(dim, pixels)


def audio_tokenizer(config: AudioTokenizerConfig, samples: int) -> Counts:
    """`AudioTokenizer` of frames of `samples` samples; a column has as many, up to 64, as divide a token's share."""
    if config.kind == "bands":
        return Counts(buffers=2 * (config.bands + config.tokens) + 2)
    share, width = samples // config.tokens, config.width
    hop = max(hop for hop in range(1, 65) if share % hop == 0)
    columns = share // hop
    layer = vectors(width) + linear(config.kernel * width, width) + linear(width, width)
    total = linear(2 * hop, width) + linear(1, width) + vectors(width, 2)
    for _ in range(2 * config.layers):
        total += layer
    total += linear(columns * width, 2 * width) + linear(2 * width, config.channels)
    return total + linear(config.channels, width * columns) + linear(width, 2 * hop) + linear(width, 1)


def frame_tokens(settings: GenerationSettings) -> dict[str, int]:
    """Tokens a frame of each stream."""
    video = settings.tokenizers.video.tokens(settings.data.size)
    sound = {"audio": settings.tokenizers.audio.tokens} if "audio" in settings.streams() else {}
    body = -(-settings.dreamed_body // settings.tokenizers.video.channels)
    return {"video": video} | sound | ({"body": body} if body else {})


def dynamics(settings: GenerationSettings) -> Counts:
    """`Dynamics`."""
    config, channels, tokens = settings.dynamics, settings.tokenizers.video.channels, frame_tokens(settings)
    dim, count, action = config.dim, sum(tokens.values()), recorded(settings.data).action
    inner, total = count, Counts(buffers=3 * count * channels)
    body = tokens.get("body", 0)
    if config.fine_path is None:
        total += linear(27 * (channels + 1), dim) + linear(9 * channels, dim, bias=False)
    else:
        inner += tokens["video"] // config.fine.pool**2 - tokens["video"] - body
        size = action["size"] if action else 0
        total += fine_path(config.fine_path, channels, settings.tokenizers.video.pixels, dim, body, size)
        total += drawn_head(settings)
    if "audio" in tokens:
        total += linear(3 * (channels + 1), dim)
    total += vectors(dim, inner + config.registers + 2) + linear(32, dim) + linear(dim, dim) + vectors(dim, 7)
    if action:
        total += linear(action["size"], dim, bias=action["kind"] == "continuous")
    if config.fine_path is None or ("audio" in tokens and not settings.drawn_onsets):
        total += linear(dim, channels)
    return total + vectors(dim, 2) + blocks(config, config.layers, config.key_heads)


def drawn_head(settings: GenerationSettings) -> Counts:
    """The `OnsetHead` of the dynamics, which works once a frame; nothing where there is none."""
    flag = settings.drawn_onsets
    if not flag:
        return Counts()
    channels, tokens = settings.tokenizers.video.channels, frame_tokens(settings)
    colours = channels // settings.tokenizers.video.pixels**2
    return onset_head(tokens["audio"] * flag, colours, tokens.get("body", 0) * channels)


def fine_path(config: FineConfig, channels: int, pixels: int, dim: int, body: int, action: int) -> Counts:
    """`FinePath`; `body` tokens of the body sense, `action` numbers of an action."""
    width, area, sources = config.width, config.pool**2, (2 * config.reach + 1) ** 2 + 1
    total = linear(2 * channels * area, dim) + linear(width * area, dim)
    places = 4 if body else 2
    total += Counts(matrices=9 * ((LAST_FRAMES + 2) * channels + places) * width, others=width)
    total += linear(dim * area, width, bias=False) + vectors(width, 3) + linear(dim, dim)
    total += linear(width, sources * pixels**2) + linear(9 * width, channels) + linear(width, 1)
    block = Counts(matrices=18 * width**2 + 2 * dim * width, others=8 * width)
    for _ in range(config.blocks):
        total += block
    if body:
        total += body_sense(body * channels, channels // pixels**2, dim, action)
    if config.refiner.every:
        total += refiner(config.refiner, channels // pixels**2, pixels, bool(body))
    return total + Counts(buffers=2 * channels**2 + channels)


def body_sense(numbers: int, colours: int, dim: int, action: int) -> Counts:
    """`BodySense` of M C numbers, after actions of `action` numbers."""
    features, hidden, known = 16, 64, LAST_FRAMES * numbers + dim
    total = linear(16 * GLIMPSED * colours, features) + linear(features * ((GLIMPSE - 4) // 2 + 1) ** 2, hidden)
    total += Counts(matrices=(known + hidden) * hidden, others=hidden) + linear(hidden, hidden)
    total += linear(hidden, 3 * numbers) + linear(2 * numbers, dim)
    return total + Counts(buffers=(6 + action) * numbers + 2)


def onset_head(levels: int, colours: int, body: int) -> Counts:
    """`OnsetHead` of so many levels a frame, with `body` numbers of a body sense."""
    features, hidden, cells, classes = 32, 96, 16, 5
    sight, sound = hidden + LAST_FRAMES * cells + 2 * body, LAST_FRAMES * (levels + 1)
    total = linear(16 * (LAST_FRAMES + 2) * colours, features) + linear(9 * features, features)
    total += linear(9 * features, features) + linear(features * cells, hidden)
    total += linear(sight, hidden) + Counts(matrices=(sight + sound) * hidden, others=hidden)
    total += linear(hidden, hidden) + linear(hidden, hidden)
    total += linear(hidden, classes) + linear(hidden, classes * (1 + 2 * levels)) + linear(2 * levels, levels)
    return total + Counts(buffers=2)


def refiner(config: RefinerConfig, colours: int, pixels: int, felt: bool) -> Counts:
    """`Refiner`; `felt` if it is shown where the body is."""
    width, area, hidden, key = config.width, pixels**2, 48, 32
    total = Counts(matrices=9 * ((2 * colours + 2 * felt) * area + 2) * width, others=width)
    total += linear(9 * width, (colours + 4) * area)
    total += linear(colours * (pixels + 4) ** 2, hidden) + linear(hidden, key) + linear(width, key)
    for _ in range(config.blocks):
        total += Counts(matrices=18 * width**2, others=6 * width)
    return total


def models(settings: GenerationSettings) -> dict[str, Counts]:
    """Folder of each trained model, below results/ -> its numbers."""
    samples = recorded(settings.data).samples
    sound = {"tokenizers/audio": audio_tokenizer(settings.tokenizers.audio, samples)}
    return {
        "tokenizers/video": video_tokenizer(settings.tokenizers.video, settings.data.size),
        **(sound if "audio" in settings.streams() else {}),
        "dynamics": dynamics(settings),
    }


def learners(settings: GenerationSettings) -> dict[str, Counts]:
    """Folder of each trained model -> numbers of its learner: those of the model, and running scales of the losses."""
    refined = settings.dynamics.fine_path is not None and bool(settings.dynamics.fine.refiner.every)
    scales = {"tokenizers/video": 4, "dynamics": 2 * (len(frame_tokens(settings)) + refined)}
    return {folder: own + Counts(buffers=scales.get(folder, 0)) for folder, own in models(settings).items()}


def latent_bytes(settings: GenerationSettings) -> dict[str, int]:
    """Stream -> bytes of the latents of all recordings, without the actions and rewards that are copied to them."""
    data, bytes_each = settings.data, 2 if settings.latents.dtype == "float16" else FLOAT
    channels = settings.tokenizers.video.channels
    return {
        stream: data.episodes() * data.frames * tokens * channels * bytes_each
        for stream, tokens in frame_tokens(settings).items()
        if stream != "body"  # it is read from the recordings
    }


def held(settings: GenerationSettings) -> dict[str, int]:
    """Rule -> bytes of the arrays that it holds on the host: windows, and the films of dreams that are compared.

    A film is one picture for each dreamed frame of each window, in float32.
    """
    data, judged, tokenizers = settings.data, settings.evaluations, settings.tokenizers
    stored, picture = frame_bytes(data), FLOAT * 3 * data.size**2
    token = FLOAT * sum(frame_tokens(settings).values()) * settings.tokenizers.video.channels
    frame = stored + 2 * token  # of a window, whose streams are joined

    loaded = dynamics(settings).model()  # on the host, before it goes to the device

    def dreamed(config: object, context: int, horizon: int, films: int) -> int:
        windows: int = config.windows  # type: ignore[attr-defined]
        held = windows * ((context + horizon) * (2 * stored + 3 * token) + horizon * films * picture)
        return held + loaded

    def fitted(config: object) -> int:
        """Training windows of the baselines that continue films, with their contexts as pictures."""
        context: int = min(config.context, RECENT)  # type: ignore[attr-defined]
        frames: int = context + config.horizon  # type: ignore[attr-defined]
        windows = min(FITTED_WINDOWS, max(2, FITTED_BYTES // (frames * 3 * data.size**2)))
        return windows * (frames * stored + 3 * (context + 1) * picture)

    rollout, uncertainty, counterfactual, drift, control = (
        judged.rollout,
        judged.uncertainty,
        judged.counterfactual,
        judged.drift,
        judged.control,
    )
    listened = judged.dreamed_sound
    length = listened.context + listened.horizon
    examples = HEARD * (length * (2 * stored + 3 * token) + listened.context * picture) + FILMS * length * picture
    return {
        "train_tokenizer": 3 * tokenizers.video.training.batch * tokenizers.video.frames * stored,
        "encode_latents": 3 * max(latent_bytes(settings).values()) // data.shards,
        "train_dynamics": 4 * settings.dynamics.training.batch * settings.dynamics.long_frames * token,
        "reconstruction": 6 * judged.reconstruction.frames * picture,
        "rollout": dreamed(rollout, rollout.context, rollout.horizon, 6) + fitted(rollout),
        "uncertainty": dreamed(uncertainty, uncertainty.context, uncertainty.horizon, uncertainty.dreams + 4)
        + fitted(uncertainty),
        "counterfactual": dreamed(
            counterfactual, counterfactual.context, counterfactual.horizon, 2 * counterfactual.dreams + 8
        ),
        "control": dreamed(control, control.context, control.frames, 1) + PICTURES * (2 * frame + 4 * picture),
        "dreamed_sound": dreamed(listened, listened.context, length, 2) + examples,
        "drift": max(REAL, drift.windows) * (drift.context + drift.piece) * (2 * frame + 4 * picture) + loaded,
    }
