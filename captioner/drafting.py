"""Settings and a Cut in, a Caption out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from captioner.captions.adopt import adopt_caption
from captioner.captions.compose import CaptionSettings, compose
from captioner.captions.template import Template, parse_template
from captioner.errors import UsageError
from captioner.settings import Settings
from captioner.store import key_of
from captioner.templates_io import find_template
from captioner.types import Caption, Cut

DRAFT_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Drafter:
    """Drafts captions in one dialect. `identity` is what its drafts are made from besides the Cut."""

    template: Template
    captions: CaptionSettings
    identity: str

    @classmethod
    def of(cls, settings: Settings) -> Drafter:
        """Raises UsageError without a trigger, TemplateError where the template cannot be used."""
        if not settings.trigger.strip():
            raise UsageError(
                "no trigger: training ties voice and look to one word, and without it in every caption the "
                "model cannot tell your subject from others; give --trigger ema_voice, or set it in captioner.yaml"
            )
        text, origin = find_template(settings.template)
        template = parse_template(text, origin)
        captions = CaptionSettings(
            trigger=settings.trigger.strip(),
            subject=settings.subject,
            place=settings.place,
            visual=settings.visual,
            subjects={name: entry.subject for name, entry in settings.speakers.items() if entry.subject},
            triggers={name: entry.trigger for name, entry in settings.speakers.items() if entry.trigger},
            answers=dict(settings.answers),
        )
        identity = key_of(DRAFT_VERSION, text, captions)
        return cls(template, captions, identity)

    def draft(self, cut: Cut, adopted: str | None) -> Caption:
        """The caption of a cut; `adopted` is the text that stood beside an already-cut source."""
        drafted = compose(cut, self._of(cut), self.template)
        return drafted if adopted is None else adopt_caption(adopted, drafted)

    def _of(self, cut: Cut) -> CaptionSettings:
        """What holds for the cut's speaker: said of `slug/SPEAKER_00`, else of `SPEAKER_00` in every recording."""
        own = f"{cut.slug}/{cut.speaker}"

        def narrowed(known: Mapping[str, str]) -> Mapping[str, str]:
            return {**known, str(cut.speaker): known[own]} if own in known else known

        captions = self.captions
        return replace(captions, subjects=narrowed(captions.subjects), triggers=narrowed(captions.triggers))
