"""How true are the clips and captions? Everything is measured against the data's own truth and never against our times.

    python bench/quality.py DATA [--out FOLDER] [--json FILE] [--set NAME=VALUE ...] [--no-again]

DATA has a `manifest.json` (`sample_dataset` is one). One build of all its files is scored:

WER      all words heard in a file against its text, with substitutions, deletions and insertions apart, beside
         faster-whisper alone on the same samples with the same model, beam and compute type (`quality_text` says how
         text is compared)
DER      turns against the RTTM: no collar, overlap counted, missed speech, false alarm and confusion apart. Where an
         RTTM says only who is seen in which part (`*.clips.rttm`), confusion alone
cut      truth words with a clip's edge strictly inside them; sounding: those that sound on both sides of it, less
         than 25 dB under the word's loudest part (annotated words may reach over the pause behind them); foreign:
         truth words of another speaker in a clip, whole or partly, and seconds of other speakers' turns; crossed:
         shot changes and changes of sentence inside a clip
caption  truth words in a clip that its caption lacks, and caption words that the truth has not there; by word times
         where the truth has them, else by the best place in the text that the clip's stretch has
kept     seconds of truth speech, where exactly one person speaks, that lie in a clip; without times: the share of the
         text's words that captions hold, times the file's length
invented words heard, and words in captions, where the truth says that nobody speaks, an hour
again    the written clips transcribed once more by faster-whisper alone, against their captions
trust    whether the trust number is true: expected calibration error over ten bins; a clip is wrong where its caption
         has any word error or another's word. How many are above 0.9, and how many of those are wrong
voices   whether a voice keeps one name over all recordings: purity, coverage, voices found and true, by seconds

Doubted clips are written as well and counted apart: `sure` leaves them out, `all` does not.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent))

import quality_score as score
from quality_report import table
from quality_run import Alone, Clip, Heard, build, sound_of
from quality_score import Errors
from quality_text import normalise
from quality_trust import tables, voices_of
from quality_truth import Truth, TurnT, load

RATE = 16_000


def wer(truth: Truth, words: Iterable[tuple[float, float, str]], between: str) -> Errors | None:
    """`between` joins the words: a recogniser's raw words bring their own blanks."""
    if truth.text is None:
        return None
    return score.align(normalise(truth.text), normalise(between.join(text for _, _, text in words)))


def der(truth: Truth, turns: Sequence[TurnT]) -> dict[str, float] | None:
    """Seconds of each error and of the truth's speech."""
    from pyannote.core import Annotation, Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    reference_turns = truth.turns or truth.coarse
    if not reference_turns or (truth.turns is None and truth.coarse is None):
        return None
    reference, hypothesis = Annotation(), Annotation()
    for annotation, rows in ((reference, reference_turns), (hypothesis, turns)):
        for index, (start, end, speaker) in enumerate(rows):
            annotation[Segment(start, end), index] = speaker
    everything = Timeline([Segment(0.0, truth.duration)])
    found = DiarizationErrorRate(collar=0.0, skip_overlap=False)(reference, hypothesis, uem=everything, detailed=True)
    return {
        "missed": found["missed detection"],
        "false_alarm": found["false alarm"],
        "confusion": found["confusion"],
        "total": found["total"],
    }


def caption_errors(truth: Truth, clip: Clip) -> tuple[Errors, str] | None:
    """The caption against what is said in the clip, and by which truth; None where that is not known."""
    said = normalise(clip.text)
    if truth.words:
        covered = score.merge((word.start, word.end) for word in truth.words)
        if not truth.sentences or (score.length(covered) and score.kept([clip.span], covered)):
            heard = [word.text for word in score.inside(truth.words, clip.span)]
            return score.align(normalise(" ".join(heard)), said), "word times"
    stretches = [(p["clip_start"], p["clip_end"], p["text"]) for p in truth.sentences] or truth.lines
    if stretches:
        near = [text for start, end, text in stretches if score.overlap((start, end), clip.span) > 0.05]
        return score.align(normalise(" ".join(near)), said, part=True), "line times"
    if truth.text is not None:
        return score.align(normalise(truth.text), said, part=True), "text"
    return None


def kept(truth: Truth, clips: Sequence[Clip]) -> dict[str, Any] | None:
    """Seconds of single-speaker truth speech and how many of them clips hold."""
    spans = [clip.span for clip in clips]
    speech = score.single_speech(truth.turns) if truth.turns else known_speech(truth) if truth.alone else []
    if speech:
        return {"of": score.length(speech), "kept": score.kept(speech, spans), "by": "times"}
    if truth.alone and truth.text is not None:
        text = normalise(truth.text)
        said = normalise(" ".join(clip.text for clip in sorted(clips, key=lambda clip: clip.span)))
        errors = score.align(text, said)
        share = min(1.0, (errors.hits + errors.substitutions) / max(1, len(text)))
        return {"of": truth.duration, "kept": share * truth.duration, "by": "words"}
    return None


def known_speech(truth: Truth) -> list[score.SpanT]:
    """Where the one speaker of a file speaks, as far as words or lines have times; [] where none have."""
    timed = [(w.start, w.end) for w in truth.words or []] or [(max(0.0, s), e) for s, e, _ in truth.lines or []]
    return score.merge(timed)


def sentences_kept(truth: Truth, clips: Sequence[Clip]) -> tuple[int, int] | None:
    """Sentences that one clip holds whole, of how many. Where a sentence has no times, a clip inside its part whose
    caption has at least half as many words holds it: whether they are the right ones is said by `caption`."""
    if not truth.sentences:
        return None
    survived = 0
    for part in truth.sentences:
        here = [c for c in clips if part["clip_start"] - 0.05 <= c.span[0] and c.span[1] <= part["clip_end"] + 0.05]
        if part.get("speech_end"):
            survived += any(c.span[0] <= part["speech_start"] and part["speech_end"] <= c.span[1] for c in here)
        else:
            words = normalise(part["text"])
            survived += any(2 * len(normalise(c.text)) >= len(words) for c in here)
    return survived, len(truth.sentences)


def clip_measures(truth: Truth, clips: Sequence[Clip], samples: NDArray[np.float32] | None = None) -> dict[str, Any]:
    """All that is said of a set of clips of one item; `samples` are its whole sound at 16 kHz."""
    result: dict[str, Any] = {"clips": len(clips), "seconds": round(sum(c.span[1] - c.span[0] for c in clips), 3)}
    if truth.words is not None:
        cut = [(c, w) for c in clips for w in score.split_words(truth.words, c.span)]
        result["words_cut"] = [[c.id, w.text] for c, w in cut]
        if samples is not None:
            result["words_cut_sounding"] = [
                [c.id, w.text]
                for c, w in cut
                if any(w.start < e < w.end and score.sounding_at(samples, RATE, w, e) for e in c.span)
            ]
        result["foreign_words"] = [[c.id, w.text] for c in clips for w in score.foreign_words(truth.words, c.span)]
    turns = truth.turns or truth.coarse
    if turns:
        result["foreign_seconds"] = round(sum(score.foreign_speech(turns, c.span) for c in clips), 3)
    if truth.shots:
        crossed = [[c.id, shot] for c in clips for shot in truth.shots if c.span[0] + 0.021 < shot < c.span[1] - 0.021]
        result["crossed"] = crossed
    by_kind: dict[str, Errors] = {}
    wrong = []
    for clip in clips:
        found = caption_errors(truth, clip)
        if found is not None:
            errors, kind = found
            by_kind[kind] = by_kind.get(kind, Errors()) + errors
            if errors.substitutions or errors.deletions or errors.insertions:
                wrong.append([clip.id, clip.text, asdict(errors)])
    if by_kind:
        result["caption"] = {kind: asdict(errors) for kind, errors in by_kind.items()}
        result["caption_wrong"] = wrong
    result["kept"] = kept(truth, clips)
    result["sentences"] = sentences_kept(truth, clips)
    if truth.speech is not None:
        silent = score.silent_stretches(truth.speech, truth.duration)
        result["invented"] = [
            [c.id, c.text] for c in clips if any(s <= c.span[0] and c.span[1] <= e for s, e in silent)
        ]
    return result


def trust_pairs(truth: Truth, clips: Sequence[Clip]) -> list[tuple[float, bool]]:
    """Trust and whether the clip is wrong, of every clip of which both are known."""
    pairs = []
    for clip in clips:
        found = caption_errors(truth, clip)
        if clip.trust is not None and found is not None:
            errors, _ = found
            foreign = bool(truth.words and score.foreign_words(truth.words, clip.span))
            wrong = foreign or bool(errors.substitutions or errors.deletions or errors.insertions)
            pairs.append((clip.trust, wrong))
    return pairs


def score_item(truth: Truth, heard: Heard, alone: Alone, *, again: bool) -> dict[str, Any]:
    words, clips = heard.words or [], heard.clips or []
    samples = sound_of(truth.path)
    truth.duration = truth.duration or len(samples) / RATE
    by_itself = alone.words(samples, None) if len(samples) else []
    result: dict[str, Any] = {"file": truth.file, "failure": heard.failure, "not_scored": truth.unscored}
    ours, theirs = wer(truth, words, " "), wer(truth, by_itself, "")
    result["wer"] = asdict(ours) if ours else None
    result["wer_alone"] = asdict(theirs) if theirs else None
    result["der"] = der(truth, heard.turns or [])
    result["der_coarse"] = truth.turns is None and truth.coarse is not None
    result["speakers"] = [len({turn[2] for turn in heard.turns or []}), truth.speakers]
    if truth.speech is not None:
        silent = score.silent_stretches(truth.speech, truth.duration)
        result["silent_seconds"] = round(score.kept([(0.0, truth.duration)], silent), 3)
        result["invented"] = score.invented(words, silent)
        result["invented_alone"] = score.invented(by_itself, silent)
    result["sure"] = clip_measures(truth, [clip for clip in clips if not clip.doubts], samples)
    result["all"] = clip_measures(truth, clips, samples)
    result["trust"] = trust_pairs(truth, clips)
    result["voices"] = voices_of(truth.file, truth.turns or truth.coarse or [], clips)
    result["doubted"] = [[clip.id, clip.text, list(clip.doubts)] for clip in clips if clip.doubts]
    if again:
        result["again"] = transcribed_again(clips, alone, truth.language)
    return result


def transcribed_again(clips: Sequence[Clip], alone: Alone, language: str | None) -> dict[str, Any]:
    total, differ = Errors(), []
    for clip in clips:
        if clip.file is None or clip.doubts:
            continue
        text = "".join(word for _, _, word in alone.words(sound_of(clip.file), language))
        errors = score.align(normalise(clip.text), normalise(text))
        total += errors
        if errors.substitutions or errors.deletions or errors.insertions:
            differ.append([clip.id, clip.text, text.strip()])
    return {"errors": asdict(total), "differ": differ}


def options_of(given: Sequence[str]) -> dict[str, Any]:
    """NAME=VALUE, the value as JSON where it is that."""
    options: dict[str, Any] = {}
    for entry in given:
        name, mark, value = entry.partition("=")
        if not mark:
            raise SystemExit(f"--set {entry}: write NAME=VALUE")
        try:
            options[name] = json.loads(value)
        except json.JSONDecodeError:
            options[name] = value
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, help="where the dataset is built; default: a folder that is thrown away")
    parser.add_argument("--json", type=Path, help="all numbers and all that is wrong, as JSON")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the build")
    parser.add_argument("--no-again", action="store_true", help="do not transcribe the clips once more")
    given = parser.parse_args(arguments)
    options = options_of(given.set)
    truths = load(given.data)
    with tempfile.TemporaryDirectory() as scratch:
        out = given.out or Path(scratch) / "out"
        summary, heard = build(truths, out, options)
        alone = Alone(options)
        results = [score_item(truth, heard[truth.file], alone, again=not given.no_again) for truth in truths]
    report = {"data": str(given.data), "seconds": summary.seconds, "rate": summary.rate, "items": results}
    print("\n\n".join(filter(None, (table(results), tables(results)))))
    if given.json:
        given.json.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
