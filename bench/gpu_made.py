"""What the GPU bench is run on where the real thing cannot be had: models with made weights, sounds, sources."""

from __future__ import annotations

import json
import random
import shutil
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np

RATE = 16_000

TURBO = {"bands": 128, "width": 1280, "heads": 20, "encoder": 32, "decoder": 4}
"""Whisper large-v3-turbo's architecture; its vocabulary is Whisper base's, one token fewer."""
TINY = {"bands": 80, "width": 64, "heads": 2, "encoder": 2, "decoder": 2}


def made_whisper(folder: Path, base: Path, shape: dict[str, int]) -> Path:
    """A Whisper of made weights as CTranslate2 keeps it, half precision; tokenizer and vocabulary are `base`'s."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("tokenizer.json", "vocabulary.json"):
        shutil.copyfile(base / name, folder / name)
    config = json.loads((base / "config.json").read_text())
    last = shape["decoder"] - 1
    config["alignment_heads"] = [[layer, head] for layer in (last // 2, last) for head in range(min(3, shape["heads"]))]
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": shape["bands"]}))
    words = len(json.loads((base / "vocabulary.json").read_text()))
    chance = np.random.default_rng(1)
    # One pool of noise, read from different places: made as fast as it is written.
    pool = (chance.standard_normal(1 << 23, np.float32) * 0.02).astype(np.float16)

    def noise(*sides: int) -> bytes:
        size = int(np.prod(sides))
        at = int(chance.integers(0, len(pool)))
        return np.take(pool, np.arange(at, at + size), mode="wrap").tobytes()

    def even(value: float, *sides: int) -> bytes:
        return np.full(sides, value, np.float16).tobytes()

    with (folder / "model.bin").open("wb") as target:
        entries = list(_entries(shape, words))
        target.write(struct.pack("<I", 6) + _text("WhisperSpec") + struct.pack("<II", 3, len(entries)))
        for name, kind, sides in entries:
            if kind == "half":
                data = noise(*sides) if not name.endswith(("gamma", "beta", "bias")) else even(
                    float(name.endswith("gamma")), *sides
                )  # fmt: skip
                code = 4
            else:
                code, data = (1, struct.pack("<b", int(kind))) if "num_heads" not in name else (
                    2, struct.pack("<h", int(kind)),
                )  # fmt: skip
                if name.endswith(("alignment_heads", "alignment_layer")):
                    code, data = 2, struct.pack("<h", int(kind))
            target.write(_text(name) + struct.pack(f"<B{len(sides)}I", len(sides), *sides))
            target.write(struct.pack("<BI", code, len(data)) + data)
        target.write(struct.pack("<I", 1) + _text("decoder/projection/weight") + _text("decoder/embeddings/weight"))
    return folder


def _text(name: str) -> bytes:
    return struct.pack("<H", len(name) + 1) + name.encode() + b"\0"


def _entries(shape: dict[str, int], words: int):  # type: ignore[no-untyped-def]
    """Name, `half` or a number's value, and sides of every variable of CTranslate2's WhisperSpec."""
    width, inner = shape["width"], 4 * shape["width"]

    def linear(name: str, out: int, into: int):  # type: ignore[no-untyped-def]
        yield f"{name}/weight", "half", (out, into)
        yield f"{name}/bias", "half", (out,)

    def norm(name: str):  # type: ignore[no-untyped-def]
        yield f"{name}/beta", "half", (width,)
        yield f"{name}/gamma", "half", (width,)

    for side, places in (("encoder", 1500), ("decoder", 448)):
        yield f"{side}/num_heads", str(shape["heads"]), ()
        yield f"{side}/position_encodings/encodings", "half", (places, width)
        yield from norm(f"{side}/layer_norm")
        for layer in range(shape[side]):
            name = f"{side}/layer_{layer}"
            yield from norm(f"{name}/self_attention/layer_norm")
            yield from linear(f"{name}/self_attention/linear_0", 3 * width, width)
            yield from linear(f"{name}/self_attention/linear_1", width, width)
            if side == "decoder":
                yield from norm(f"{name}/attention/layer_norm")
                yield from linear(f"{name}/attention/linear_0", width, width)
                yield from linear(f"{name}/attention/linear_1", 2 * width, width)
                yield from linear(f"{name}/attention/linear_2", width, width)
            yield from norm(f"{name}/ffn/layer_norm")
            yield from linear(f"{name}/ffn/linear_0", inner, width)
            yield from linear(f"{name}/ffn/linear_1", width, inner)
    yield "encoder/conv1/weight", "half", (width, shape["bands"], 3)
    yield "encoder/conv1/bias", "half", (width,)
    yield "encoder/conv2/weight", "half", (width, width, 3)
    yield "encoder/conv2/bias", "half", (width,)
    yield "decoder/embeddings/weight", "half", (words, width)
    for name, value in (
        ("activation", 1), ("alibi", 0), ("alibi_use_positive_positions", 0), ("alignment_heads", 1),
        ("alignment_layer", -1), ("pre_norm", 1), ("scale_alibi", 0), ("scale_embeddings", 0),
        ("start_from_zero_embedding", 0),
    ):  # fmt: skip
        yield f"decoder/{name}", str(value), ()


def talk(seconds: float, seed: int, waves: list[np.ndarray]) -> np.ndarray:
    """float32 of exactly that length: the recordings again and again, each time from another place."""
    chance = random.Random(seed)
    parts, left = [], round(seconds * RATE)
    while left > 0:
        wave = chance.choice(waves)
        start = chance.randrange(max(1, len(wave) - RATE))
        parts.append(wave[start : start + left])
        left -= len(parts[-1])
    return np.concatenate(parts)


def pauses(seconds: float, seed: int) -> list[tuple[float, float]]:
    """Where somebody speaks in a long recording: stretches of 1 to 6 s, pauses of 0.2 to 1.5 s."""
    chance = random.Random(seed)
    found, at = [], 0.3
    while at < seconds - 1.0:
        end = min(seconds - 0.3, at + chance.uniform(1.0, 6.0))
        found.append((round(at, 3), round(end, 3)))
        at = end + chance.uniform(0.2, 1.5)
    return found


def film(path: Path, sound: np.ndarray, *, size: tuple[int, int] = (1920, 1080), fps: int = 25, again: int = 0) -> None:
    """H.264 at 25 to 30 Mbit/s with AAC: a pattern to and fro with a camera's grain, and `sound` at 48 kHz. The same
    pictures come `again` after so many, a multiple of 128, where that is given."""
    import av

    frames = round(len(sound) / RATE * fps)
    with av.open(str(path), "w") as target:
        video = target.add_stream("libx264", rate=fps, options={"crf": "18", "preset": "ultrafast"})
        video.width, video.height = size
        video.pix_fmt = "yuv420p"
        audio = target.add_stream("aac", rate=48_000, layout="mono")
        wide = np.repeat(sound, 3).astype(np.float32)
        packets = []
        for picture in _pictures(min(frames, again or frames), *size, fps):
            packets += video.encode(picture)
        packets += video.encode()
        for number in range(frames):
            target.mux(_once_more(packets[number % len(packets)], number) if again else packets[number])
        for at in range(0, len(wide), 1024):
            block = av.AudioFrame.from_ndarray(wide[None, at : at + 1024], format="fltp", layout="mono")
            block.sample_rate, block.pts = 48_000, at
            target.mux(audio.encode(block))
        target.mux(audio.encode())


def _pictures(count: int, width: int, height: int, fps: int):  # type: ignore[no-untyped-def]
    import av

    chance = np.random.default_rng(count)
    grain = chance.normal(0, 2, (height + 64, width + 64)).astype(np.float32)
    ramp = np.linspace(0, 4 * np.pi, width + 64, dtype=np.float32)[None, :]
    field = 110 + 60 * np.sin(ramp + np.linspace(0, 6, height + 64, dtype=np.float32)[:, None])
    for number in range(count):
        x, y = abs(number * 2 % 128 - 64), abs(number % 128 - 64)
        luma = field[y : y + height, x : x + width] + grain[-height - x or None : -x or None, :width]
        plane = np.clip(luma[:height], 0, 255).astype(np.uint8)
        picture = np.full((height * 3 // 2, width), 128, np.uint8)
        picture[: len(plane)] = plane
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, fps)
        yield frame


def _once_more(packet, number: int):  # type: ignore[no-untyped-def]
    """A picture's packet as that of another time: preset `ultrafast` has no pictures out of order."""
    import av

    made = av.Packet(bytes(packet))
    made.pts = made.dts = number
    made.duration = 1
    made.time_base, made.stream, made.is_keyframe = packet.time_base, packet.stream, packet.is_keyframe
    return made
