"""How training pictures and sounds are varied."""

from __future__ import annotations

from pydantic import Field

from sensorium.config.section import Section


class VisionAugmentation(Section):
    """Random augmentation of images, different for every view."""

    crop: float = Field(0.6, gt=0, le=1, description="smallest share of the area that a random crop keeps")
    flip: float = Field(0.5, ge=0, le=1, description="probability of a horizontal flip")
    jitter: float = Field(0.4, ge=0, le=1, description="strength of changes in brightness, contrast and saturation")
    grayscale: float = Field(0.2, ge=0, le=1, description="probability that a view loses its colour")
    rotation: float = Field(0.0, ge=0, le=180, description="largest rotation, in degrees")
    shear: float = Field(0.0, ge=0, lt=1, description="largest shear, as the tangent of its angle")
    bend: float = Field(0.0, ge=0, le=0.5, description="std of a smooth random displacement, in half widths")


class AudioAugmentation(Section):
    """Random augmentation of sound, different for every view."""

    shift: float = Field(0.4, ge=0, le=0.5, description="largest time shift, as a fraction of the window")
    pitch: float = Field(1.0, ge=0, le=12, description="largest pitch shift, in semitones")
    formant: float = Field(
        0.0, ge=0, le=12, description="largest shift of formants, in semitones; 0: they move with the pitch"
    )
    stretch: float = Field(0.1, ge=0, le=0.5, description="largest relative change of tempo, pitch kept")
    gain: float = Field(6.0, ge=0, le=40, description="largest change of loudness, in decibels")
    noise: float = Field(5.0, ge=0, le=80, description="lowest signal-to-noise ratio of background noise, in decibels")
