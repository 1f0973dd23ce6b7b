"""The voice in a reference clip."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from captioner.errors import MediaError, UsageError
from captioner.speech.people import Anchor

LEAST = 2.0
"""Seconds of speech below which a reference says too little of a voice."""
GUEST = 0.2
"""Share of the speech from which a second person makes a reference useless."""


def heard(reference: Path) -> Anchor:
    """The one voice in any file with sound. Runs the diarizer over it.

    Raises UsageError where the file cannot be used, has less than 2 s of speech, or more than one person speaks.
    """
    from captioner.media.probe import probe
    from captioner.media.sound import PcmFile, decode_speech
    from captioner.models.diarizer.embedded import Options, load
    from captioner.models.protocols import SpeakerHint

    if not reference.is_file():
        raise UsageError(f"{reference}: no such file; give a clip of the voice alone")
    with TemporaryDirectory() as scratch:
        target = Path(scratch) / "reference.s16"
        try:
            decode_speech(reference, *probe(reference), target)
        except MediaError as error:
            raise UsageError(str(error)) from error
        found = load(Options(device="cpu")).diarize([PcmFile(target, reference.name)], SpeakerHint())[0]
    lasted: dict[str, float] = {}
    for turn in found.turns:
        lasted[turn.speaker] = lasted.get(turn.speaker, 0.0) + turn.span.duration
    total = sum(lasted.values())
    if total < LEAST:
        raise UsageError(f"{reference}: {total:.1f} s of speech; a reference needs {LEAST:g} s or more")
    main = max(lasted, key=lambda name: lasted[name])
    if total - lasted[main] >= GUEST * total:
        raise UsageError(f"{reference}: {len(lasted)} people seem to speak in it; give a clip of one voice alone")
    vector = np.round(np.array(found.embeddings[main]) * 127).astype(np.int8).tobytes()
    return Anchor("", reference.name, (), round(lasted[main], 3), vector)
