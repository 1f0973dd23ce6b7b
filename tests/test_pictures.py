"""Written pictures: upright, square, progressive, BT.709, whatever the source was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import cut, film, record, write
from factory import Audio, Video, noise, numbered, read_index
from hypothesis import given
from hypothesis import strategies as st

from captioner.errors import MediaError
from captioner.media.cutting import ClipSpec, write_clips
from captioner.media.picture import fit
from captioner.media.tonemap import cube, hlg_nits, pq_nits, pq_signal, roll_off, to_sdr

FAST = ClipSpec(preset="ultrafast")
SIDES = st.integers(32, 3000)


# --- where a picture goes -----------------------------------------------------------------------------------------


@given(SIDES, SIDES, st.fractions(Fraction(1, 2), 2, max_denominator=64), st.sampled_from([0, 90, 180, 270]))
def test_the_smallest_centred_crop(width: int, height: int, aspect: Fraction, rotation: int) -> None:
    if round(width * aspect) < 32:
        return
    got = fit(width, height, aspect, rotation, None)
    assert got.scaled == (round(width * aspect), height)
    for whole, first, kept in zip(got.scaled, got.crop[:2], got.crop[2:], strict=True):
        assert kept % 32 == 0
        assert first % 2 == 0
        assert 0 <= whole - kept < 32
        assert abs((whole - kept - first) - first) <= 3
    assert got.size == (got.crop[3:1:-1] if rotation in (90, 270) else got.crop[2:])


@given(SIDES, SIDES, st.sampled_from([0, 90]), st.integers(1, 40), st.integers(1, 40))
def test_a_size_is_covered(width: int, height: int, rotation: int, across: int, down: int) -> None:
    size = (across * 32, down * 32)
    got = fit(width, height, Fraction(1), rotation, size)
    assert got.size == size
    (left, top, wide, high), scaled = got.crop, got.scaled
    assert 0 <= left <= scaled[0] - wide
    assert 0 <= top <= scaled[1] - high
    assert scaled[0] == wide or scaled[1] == high
    factor = max(Fraction(wide, width), Fraction(high, height))
    if got.box is None:
        # Each side is rounded to a whole pixel, no more.
        assert all(abs(have - side * factor) <= 1 for have, side in zip(scaled, (width, height), strict=True))
        return
    assert factor <= 1, "only what becomes smaller is cropped first: there an even pixel is too little to see"
    assert scaled == (wide, high)
    assert (left, top) == (0, 0)
    for first, part, side, whole in zip(got.box[:2], got.box[2:], scaled, (width, height), strict=True):
        assert first % 2 == part % 2 == 0
        assert 0 <= first <= whole - part
        assert abs((whole - part - first) - first) <= 3, "from the middle"
        assert abs(part * factor - side) <= 1


def test_a_picture_too_small_to_crop_says_so_and_can_be_scaled(tmp_path: Path) -> None:
    source = film(tmp_path, Video(frames=30, size=(48, 24)))
    recording = record(source)
    with pytest.raises(MediaError, match="48x24, smaller than 32"):
        write_clips(recording, None, [cut(recording, 0, 9)], FAST, tmp_path / "clips")
    (clip,) = write(source, (0, 9), spec=replace(FAST, size=(128, 64)))
    assert clip.indices == list(range(9))


# --- geometry -----------------------------------------------------------------------------------------------------


def corner(index: int, width: int, height: int) -> Any:
    """White in the upper left sixteenth, as coded; the rest is dark."""
    picture = np.full((height, width, 3), 30, dtype=np.uint8)
    picture[: height // 4, : width // 4] = 220
    return picture


@pytest.mark.parametrize(("rotation", "bright"), [(0, (0, 0)), (90, (0, -1)), (180, (-1, -1)), (270, (-1, 0))])
def test_a_turned_picture_is_written_upright(tmp_path: Path, rotation: int, bright: tuple[int, int]) -> None:
    source = film(tmp_path, Video(frames=30, size=(192, 128), rotation=rotation, draw=corner))
    (clip,) = write(source, (2, 9))
    luma = clip.luma(4)
    assert luma.shape == ((192, 128) if rotation % 180 else (128, 192))
    corners = {place: float(luma[place[0] * 8 + (place[0] == 0) * 8, place[1] * 8 + (place[1] == 0) * 8])
               for place in ((0, 0), (0, -1), (-1, 0), (-1, -1))}  # fmt: skip
    assert max(corners, key=lambda place: corners[place]) == bright
    assert sorted(corners.values())[2] < 60


def circle(index: int, width: int, height: int, aspect: float) -> Any:
    rows, columns = np.mgrid[:height, :width]
    inside = ((columns - width / 2) * aspect) ** 2 + (rows - height / 2) ** 2 < (height * 0.35) ** 2
    return np.repeat(np.where(inside, 220, 30).astype(np.uint8)[:, :, None], 3, axis=2)


@pytest.mark.parametrize("aspect", [Fraction(16, 15), Fraction(8, 9), Fraction(4, 3), Fraction(2)])
@pytest.mark.parametrize("rotation", [0, 90])
def test_pixels_become_square(tmp_path: Path, aspect: Fraction, rotation: int) -> None:
    video = Video(frames=30, size=(180, 144), aspect=aspect, rotation=rotation)
    source = film(tmp_path, replace(video, draw=lambda i, w, h: circle(i, w, h, float(aspect))))
    (clip,) = write(source, (2, 9))
    bright = clip.luma(4) > 120
    across, down = bright.any(axis=0).sum(), bright.any(axis=1).sum()
    assert abs(int(across) - int(down)) <= 2


@pytest.mark.parametrize("size", [(161, 121), (190, 130), (191, 127)])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    source = film(tmp_path, Video(frames=30, size=size, pixels="yuv444p"), name="film.mkv")
    (clip,) = write(source, (2, 9))
    assert (clip.written.width, clip.written.height) == (size[0] // 32 * 32, size[1] // 32 * 32)
    assert clip.indices == list(range(2, 11))


def test_an_interlaced_source_gives_one_whole_picture_a_frame(tmp_path: Path) -> None:
    """Each source frame weaves two moments of a moving bar: combs in the source, none in the clip."""

    def weave(index: int, width: int, height: int) -> Any:
        picture = np.full((height, width, 3), 40, dtype=np.uint8)
        for field in (0, 1):
            left = 10 + 12 * index + 6 * field
            picture[field::2, left : left + 40] = 200
        return picture

    def combs(luma: Any) -> float:
        rows = luma.astype(float)
        return float(np.abs(2 * rows[1:-1] - rows[:-2] - rows[2:]).mean())

    video = Video(frames=30, size=(480, 128), interlaced=True, draw=weave)
    source = film(tmp_path, video)
    (clip,) = write(source, (3, 17))
    with av.open(str(source)) as container:
        woven = [frame.to_ndarray()[:128] for frame in container.decode(video=0)]
    for number, luma in enumerate(clip.luma(k) for k in range(17)):
        assert combs(luma) < 0.25 * combs(woven[number + 3])
        left = int(np.flatnonzero(luma[::2].mean(axis=0) > 120)[0])
        assert abs(left - (16 + 12 * (number + 3))) <= 2  # x264 was told of no order: the lower field comes first


# --- colours ------------------------------------------------------------------------------------------------------

BARS = [
    (191, 191, 191),
    (191, 191, 0),
    (0, 191, 191),
    (0, 191, 0),
    (191, 0, 191),
    (191, 0, 0),
    (0, 0, 191),
    (16, 16, 16),
]


def bars(index: int, width: int, height: int) -> Any:
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    for number, colour in enumerate(BARS):
        picture[:, number * width // 8 : (number + 1) * width // 8] = colour
    return picture


def coded(path: Path, matrix: int, full: bool, pixels: str, size: tuple[int, int], tagged: bool = True) -> Path:
    """A film of `bars` in the given matrix and range, with or without the tags that say so, and sound."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "1", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        context = stream.codec_context
        if tagged:
            context.colorspace, context.color_range = matrix, 2 if full else 1
        sound = out.add_stream("pcm_s16le", rate=48_000, layout="mono")
        for number in range(12):
            rgb = av.VideoFrame.from_ndarray(bars(number, *size), format="rgb24")
            space = {1: "ITU709", 6: "ITU601"}[matrix]
            frame = rgb.reformat(format=pixels, dst_colorspace=space, dst_color_range="JPEG" if full else "MPEG")
            if not tagged:
                frame.colorspace, frame.color_range = 2, 0
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        data = np.zeros((1, 24_000), dtype=np.int16)
        block = av.AudioFrame.from_ndarray(data, format="s16", layout="mono")
        block.sample_rate, block.pts, block.time_base = 48_000, 0, Fraction(1, 48_000)
        out.mux(sound.encode(block))
    return path


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize(
    ("matrix", "size", "tagged"),
    [(1, (256, 128), True), (6, (256, 128), True), (6, (256, 128), False), (1, (256, 736), False)],
    ids=["709", "601", "untagged SD", "untagged HD"],
)
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv444p10le"])
def test_every_matrix_and_range_becomes_bt709_limited(
    tmp_path: Path, matrix: int, size: tuple[int, int], tagged: bool, full: bool, pixels: str
) -> None:
    if full and not tagged:
        pytest.skip("nobody can know an untagged range")
    source = coded(tmp_path / "film.mkv", matrix, full, pixels, size, tagged)
    (clip,) = write(source, (2, 5), spec=replace(FAST, crf=1))
    frame = clip.pictures[2]
    assert (frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range) == (1, 1, 1, 1)
    planes = [np.frombuffer(p, np.uint8).reshape(p.height, p.line_size)[:, : p.width] for p in frame.planes]
    for number, (red, green, blue) in enumerate(BARS):
        luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
        differences = [(blue - luma) / 1.8556, (red - luma) / 1.5748]
        wanted = [16 + luma * 219 / 255, *(128 + each * 224 / 255 for each in differences)]
        found = [float(p[p.shape[0] // 2, p.shape[1] * (2 * number + 1) // 16]) for p in planes]
        assert np.allclose(found, wanted, atol=3), (number, found, wanted)


def greys(levels: Sequence[float]) -> Any:
    """Draws bars whose 8-bit values stand for these signal levels."""

    def draw(index: int, width: int, height: int) -> Any:
        row = np.repeat(np.round(np.array(levels) * 255), width // len(levels))
        return np.repeat(np.tile(row, (height, 1))[:, :, None], 3, axis=2).astype(np.uint8)

    return draw


@pytest.mark.parametrize("hdr", ["pq", "hlg"])
def test_hdr_greys_land_where_sdr_has_them(tmp_path: Path, hdr: str) -> None:
    """An 18 % grey card at 42 % of the signal, diffuse white near 90 %, the brightest highlight at 100 %."""
    levels = {"pq": [0.0, 0.38, 0.58, 0.752], "hlg": [0.0, 0.38, 0.75, 1.0]}[hdr]
    video = Video(frames=20, size=(256, 64), hdr=hdr, codec="libx265", draw=greys(levels))
    (clip,) = write(film(tmp_path, video), (2, 9), spec=replace(FAST, crf=4))
    frame = clip.pictures[3]
    assert (frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range) == (1, 1, 1, 1)
    luma = clip.luma(3)
    found = [float(luma[32, 32 + 64 * number]) for number in range(4)]
    assert np.allclose(found, [16, 109, 213, 235], atol=4), found
    chroma = frame.to_ndarray()[64:]
    assert np.abs(chroma.astype(int) - 128).max() <= 3


@pytest.mark.parametrize("hdr", ["pq", "hlg"])
def test_an_hdr_frame_is_still_itself(tmp_path: Path, hdr: str) -> None:
    video = Video(frames=40, size=(192, 128), hdr=hdr, codec="libx265", rotation=90, draw=numbered)
    (clip,) = write(film(tmp_path, video), (2, 17), spec=replace(FAST, size=(64, 96)))
    assert [read_index(np.rot90(clip.luma(k))) for k in range(17)] == list(range(2, 19))


@given(st.floats(0, 10_000))
def test_pq_there_and_back(nits: float) -> None:
    assert float(pq_nits(pq_signal(np.array(nits)))) == pytest.approx(nits, abs=1e-3 + nits * 1e-6)


@pytest.mark.parametrize("transfer", ["pq", "hlg"])
def test_tone_mapping_never_turns_back_and_keeps_greys_grey(transfer: str) -> None:
    ramp = np.repeat(np.linspace(0, 1, 500)[:, None], 3, axis=1)
    mapped = to_sdr(ramp, transfer)
    assert np.all(np.diff(mapped, axis=0) >= -1e-9)
    assert np.ptp(mapped, axis=1).max() < 1e-3
    assert mapped[0].max() < 1e-3
    assert mapped[-1].min() > 0.999


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_a_primary_of_bt709_inside_bt2020_is_found_again(channel: int) -> None:
    within = [(0.6274, 0.0691, 0.0164), (0.3293, 0.9195, 0.0880), (0.0433, 0.0114, 0.8956)][channel]  # BT.2087
    mapped = to_sdr(pq_signal(80 * np.array([within])), "pq")[0]
    assert mapped[channel] == pytest.approx((80 / 203) ** (1 / 2.4), abs=0.005)
    assert np.delete(mapped, channel).max() < 0.08


def test_the_dark_is_left_alone_and_the_peak_is_white() -> None:
    assert np.allclose(roll_off(np.array([0.0, 1.0, 26.0, 80.0])), [0.0, 1.0, 26.0, 80.0])
    assert float(roll_off(np.array(1000.0))) == pytest.approx(203)
    assert hlg_nits(np.full((1, 3), 0.75))[0, 0] == pytest.approx(203, abs=1)


def test_the_cube_is_what_ffmpeg_reads() -> None:
    lines = cube("hlg").splitlines()
    size = int(lines[0].split()[1])
    assert len(lines) == 1 + size**3
    red = np.array([float(each) for each in lines[size].split()])  # the end of the first, red edge
    assert red[0] > 0.9
    assert red[1:].max() < 0.2


def test_a_source_that_changes_size_midway_keeps_the_size_it_began_with(tmp_path: Path) -> None:
    audio = Audio(noise(0.8, 48_000))
    parts = [film(tmp_path, Video(frames=20, size=size), audio, f"{size[0]}.ts") for size in ((192, 128), (96, 64))]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    (clip,) = write(joined, (4, 33))
    assert {(frame.width, frame.height) for frame in clip.pictures} == {(192, 128)}
    assert clip.indices == [*range(4, 20), *range(17)]


def test_noise_survives(tmp_path: Path) -> None:
    """The default quality keeps a hard picture above 39 dB."""

    def grain(index: int, width: int, height: int) -> Any:
        soft = np.random.default_rng(index).normal(128, 12, (height, width, 1))
        return np.repeat(np.clip(soft, 0, 255), 3, axis=2).astype(np.uint8)

    video = Video(frames=30, size=(128, 96), draw=grain, options={"crf": "1"})
    source = film(tmp_path, video, Audio(noise(3, 48_000)))
    (clip,) = write(source, (5, 9), spec=ClipSpec())
    with av.open(str(source)) as container:
        before = [frame.to_ndarray()[:96].astype(float) for frame in container.decode(video=0)]
    errors = [np.square(before[5 + k] - clip.luma(k)).mean() for k in range(9)]
    assert 10 * np.log10(255**2 / np.mean(errors)) > 39
