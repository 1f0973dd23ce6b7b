"""Every error that captioner raises on purpose.

    CaptionerError
    |-- UsageError              a flag, a setting or a template is wrong; nothing was started
    |   |-- SettingsError
    |   |-- QueryError          a filter of the review cannot be read
    |   |-- KeymapError         a person's own keys of the review cannot be used
    |   `-- TemplateError
    |-- RecordingError          one recording cannot be used; the others go on
    |   |-- MediaError
    |   |   |-- NotMedia        no container that the decoder knows
    |   |   |-- NoAudio         picture only
    |   |   |-- Silent          an audio stream with nothing in it
    |   |   `-- Broken          damaged: cannot be decoded as far as it says it goes
    |   `-- BadFormat           an RTTM, CTM, SRT ... that cannot be read
    |-- ModelError              a model cannot be had or failed
    |   |-- WeightsMissing
    |   |-- BackendMissing
    |   |-- OutOfMemory          a batch does not fit; a smaller one may
    |   |-- ModelDied            the process that a model ran in died or hung
    |   `-- DescriptionError    one clip's picture has no description; the others go on
    |       `-- DescriberDown   nobody's has: no other clip need be asked
    |-- WorkerDied              the process that worked on one item died; the others go on
    |-- ClipMismatch            a written clip is not what its Cut says
    `-- StoreError              the dataset's own database is damaged or in use

A message says what, where and what next.
"""


class CaptionerError(Exception):
    """Base of all. `str(error)` is the sentence that the user reads."""


class UsageError(CaptionerError):
    pass


class SettingsError(UsageError):
    pass


class TemplateError(UsageError):
    pass


class QueryError(UsageError):
    """`position`: of the letter, from 0, at which the filter cannot be read on."""

    def __init__(self, text: str, position: int) -> None:
        super().__init__(text)
        self.position = position


class KeymapError(UsageError):
    pass


class RecordingError(CaptionerError):
    """About one recording only: the pipeline reports it and goes on with the others."""


class MediaError(RecordingError):
    pass


class NotMedia(MediaError):
    pass


class NoAudio(MediaError):
    pass


class Silent(MediaError):
    pass


class Broken(MediaError):
    pass


class BadFormat(RecordingError):
    pass


class ModelError(CaptionerError):
    pass


class WeightsMissing(ModelError):
    pass


class BackendMissing(ModelError):
    pass


class OutOfMemory(ModelError):
    pass


class ModelDied(ModelError):
    """`killed`: by the system, as it does where memory ran out."""

    def __init__(self, text: str, killed: bool = False) -> None:
        super().__init__(text)
        self.killed = killed


class DescriptionError(ModelError):
    pass


class DescriberDown(DescriptionError):
    pass


class WorkerDied(CaptionerError):
    """Not the file's fault for certain, so it is not kept: the next run tries again."""


class ClipMismatch(CaptionerError):
    pass


class StoreError(CaptionerError):
    pass
