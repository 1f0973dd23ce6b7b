"""Where an hour's transcription spends its time: each part on the host and on the device, kernels, and gaps between."""

from __future__ import annotations

import hashlib
import sys
import threading
import time
from collections import defaultdict
from dataclasses import replace
from typing import Any

from gpu_asr import Given, ours

from captioner.models.asr.lanes import Lanes

PARTS = ("encode", "detect", "generate", "align")


class Watch:
    """Wall seconds of each call into the engine by whichever lane, and device seconds between its first and last
    kernel; and of its host work: words and guards."""

    def __init__(self, engine: Any) -> None:
        self.wall: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self._marks: list[tuple[str, Any, Any]] = []
        self._lock = threading.Lock()
        self._engine = engine
        self._cuda = _cuda()
        for name in PARTS:
            setattr(engine, name, self._timed(name, getattr(engine, name)))
        if hasattr(engine, "_alone_with"):
            engine._alone_with = self._marked(engine._alone_with)

    def stop(self) -> None:
        for name in (*PARTS, "_alone_with"):
            self._engine.__dict__.pop(name, None)

    def device(self) -> dict[str, float]:
        """Seconds a part. Parts in two streams overlap, so their sum may be more than the whole."""
        found: dict[str, float] = defaultdict(float)
        for name, first, last in self._marks:
            found[name] += first.elapsed_time(last) / 1000
        return dict(found)

    def _timed(self, name: str, call: Any) -> Any:
        def timed(*given: Any, **options: Any) -> Any:
            start = time.perf_counter()
            try:
                return call(*given, **options)
            finally:
                with self._lock:
                    self.wall[name] += time.perf_counter() - start
                    self.calls[name] += 1

        return timed

    def _marked(self, alone: Any) -> Any:
        from contextlib import contextmanager

        @contextmanager
        def marked(part: Any, what: str) -> Any:
            with alone(part, what):
                if self._cuda is None:
                    yield
                    return
                first, last = (self._cuda.Event(enable_timing=True) for _ in range(2))
                first.record()
                yield
                last.record()
                with self._lock:
                    self._marks.append((what.split()[0], first, last))

        return marked


def _cuda() -> Any:
    import torch

    return torch.cuda if torch.cuda.is_available() else None


def breakdown(backend: str, given: Given, items: list[Any], **options: Any) -> dict[str, Any]:
    """Prints all; gives the seconds of the whole and of its parts."""
    start = time.perf_counter()
    whisper = ours(backend, given, **options)
    print(f"  load {time.perf_counter() - start:.2f} s, {whisper._amounts}", file=sys.stderr)
    for _ in range(2):
        took, mark = _run(whisper, items)
        print(f"  run {took:.3f} s, words {mark}", file=sys.stderr)
    plain = min(_run(whisper, items)[0] for _ in range(2))
    watch = Watch(whisper._engine)
    watched, _ = _run(whisper, items)
    watch.stop()
    found: dict[str, Any] = {
        "whole": round(plain, 3), "watched": round(watched, 3),
        "wall, all lanes": {name: round(took, 3) for name, took in watch.wall.items()},
        "calls": dict(watch.calls), "device": {name: round(took, 3) for name, took in watch.device().items()},
        "host alone": round(_host(whisper, items), 3),
    }  # fmt: skip
    print(f"  {found}", file=sys.stderr, flush=True)
    found["variants"] = _variants(whisper, items)
    found["kernels"] = _profiled(whisper, items)
    return found


def _run(whisper: Any, items: list[Any]) -> tuple[float, str]:
    start = time.perf_counter()
    done = whisper.transcribe(items)
    took = time.perf_counter() - start
    said = " ".join(word.text for transcript in done for word in transcript.words)
    return took, f"{sum(len(transcript.words) for transcript in done)} {hashlib.sha1(said.encode()).hexdigest()[:8]}"


def _host(whisper: Any, items: list[Any]) -> float:
    """Seconds of the same hour in one lane less those inside of the engine's four calls: packing, reading, words,
    guards."""
    lanes, whisper._lanes = whisper._lanes, Lanes(1)
    watch = Watch(whisper._engine)
    took, _ = _run(whisper, items)
    watch.stop()
    whisper._lanes = lanes
    return took - sum(watch.wall.values())


def _variants(whisper: Any, items: list[Any]) -> dict[str, float]:
    """The hour with other amounts at a time, and with encoder and decoder in one stream."""
    amounts, kept = whisper._amounts, whisper._lanes
    asked = {f"lanes {lanes}, held {amounts.frames // part}": replace(amounts, lanes=lanes, held=amounts.frames // part)
             for lanes, part in ((3, 2), (3, 3), (3, 4), (3, 6), (2, 3), (1, 3))}  # fmt: skip
    found: dict[str, float] = {}
    for name, own in asked.items():
        whisper._amounts, whisper._lanes = own, Lanes(own.lanes)
        _run(whisper, items)
        found[name] = round(min(_run(whisper, items)[0] for _ in range(2)), 3)
        print(f"  {name}: {found[name]} s", file=sys.stderr, flush=True)
    whisper._amounts, whisper._lanes = amounts, kept
    streams = getattr(whisper._engine, "_streams", None)
    if streams:
        whisper._engine._streams = {}
        _run(whisper, items)
        found["one stream"] = round(min(_run(whisper, items)[0] for _ in range(2)), 3)
        whisper._engine._streams = streams
        print(f"  one stream: {found['one stream']} s", file=sys.stderr, flush=True)
    _run(whisper, items)
    return found


def _profiled(whisper: Any, items: list[Any]) -> dict[str, Any]:
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity, profile

    on_gpu = _cuda() is not None
    kinds = [ProfilerActivity.CUDA] if on_gpu else [ProfilerActivity.CPU]
    with profile(activities=kinds) as recorded:
        took, _ = _run(whisper, items)
    by = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    print(recorded.key_averages().table(sort_by=by, row_limit=30, max_name_column_width=90), file=sys.stderr)
    if not on_gpu:
        return {"took": round(took, 3)}
    spans = sorted(
        (event.time_range.start, event.time_range.end, event.name)
        for event in recorded.events()
        if event.device_type == DeviceType.CUDA
    )
    busy, gaps, reached, before = 0.0, [], spans[0][0], ""
    for start, end, name in spans:
        if start > reached:
            gaps.append((round((start - reached) / 1000, 2), before[:60], name[:60]))
        busy += max(0.0, end - max(start, reached))
        if end > reached:
            reached, before = end, name
    gaps.sort(reverse=True)
    for gap in gaps[:15]:
        print(f"  gap of {gap[0]} ms after {gap[1]} before {gap[2]}", file=sys.stderr)
    whole = (reached - spans[0][0]) / 1e6
    return {
        "kernels": len(spans), "first to last, s": round(whole, 3), "busy, s": round(busy / 1e6, 3),
        "sum of gaps below 0.1 ms, s": round(sum(g[0] for g in gaps if g[0] < 0.1) / 1000, 3),
    }  # fmt: skip
