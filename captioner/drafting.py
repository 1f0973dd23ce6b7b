"""Settings and a Cut in, a Caption out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from captioner.captions.adopt import adopt_caption
from captioner.captions.compose import CaptionSettings, compose
from captioner.captions.edited import SPEECH, WORDS, fitted, with_words
from captioner.captions.fields import voice
from captioner.captions.nonverbal import without_sounds
from captioner.captions.pattern import names_in
from captioner.captions.template import Template, parse_template, render
from captioner.captions.tokens import most_tokens
from captioner.captions.voices import voices
from captioner.decisions import Edit
from captioner.errors import UsageError
from captioner.settings import Settings
from captioner.speech.people import People
from captioner.store import key_of
from captioner.templates_io import find_template
from captioner.tokenizing import load_counter
from captioner.types import Caption, Cut, Doubt

DRAFT_VERSION = "2"
ADOPTED = "caption"
"""The field that is the whole text beside an already-cut source."""


@dataclass(frozen=True, slots=True)
class Drafter:
    """Drafts captions in one dialect. `identity` is what its drafts are made from besides the Cut."""

    template: Template
    captions: CaptionSettings
    identity: str
    limit: int
    """Tokens that the text encoder takes."""
    count: Callable[[str], int] | None = None
    """The encoder's own tokenizer; None to go by an upper bound."""

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
            nonverbal=template.nonverbal if settings.sounds_in_speech else "",
        )
        count, fingerprint = load_counter(settings.tokenizer) if settings.tokenizer else (None, None)
        identity = key_of(DRAFT_VERSION, text, captions, settings.max_tokens, fingerprint)
        return cls(template, captions, identity, settings.max_tokens, count)

    def told(self, people: People) -> Drafter:
        """The same with what a person said of speakers by name; the settings' own words go before it."""
        own = {people.label(id_): said for id_, said in people.said.items() if people.owner(id_) == id_}
        subjects = {name: said.subject for name, said in own.items() if said.subject} | {**self.captions.subjects}
        triggers = {name: said.trigger for name, said in own.items() if said.trigger} | {**self.captions.triggers}
        captions = replace(self.captions, subjects=subjects, triggers=triggers)
        identity = key_of(self.identity, sorted(subjects.items()), sorted(triggers.items()))
        return replace(self, captions=captions, identity=identity)

    def hearing(self, cuts: Iterable[Cut]) -> Drafter:
        """The same with what is known of every speaker's voice from all cuts of the dataset, as `told` has named them.

        `identity` stays: what a recording's drafts take from this are the words of `voice_words`."""
        return replace(self, captions=replace(self.captions, voices=voices(list(cuts))))

    def voice_words(self, cuts: Iterable[Cut]) -> tuple[str | None, ...]:
        """What the captions of cuts will say of their voices: it depends on cuts of other recordings, too."""
        return tuple(voice(cut, self._of(cut)) for cut in cuts)

    def draft(self, cut: Cut, adopted: str | None, texts: Mapping[str, str] | None = None) -> Caption:
        """The caption of a cut; `adopted` is the text that stood beside an already-cut source, `texts` a person's own
        by field, "" to leave one out. Raises TemplateError where they take the trigger away."""
        drafted = compose(cut, self._of(cut), self.template)
        if texts:
            own = {name: fitted(name, text, cut.language) for name, text in texts.items() if name in drafted.fields}
            drafted = render(self.template, {**drafted.fields, **own})
            adopted = texts.get(ADOPTED, adopted) if adopted is not None else None
        if adopted is not None:
            drafted = adopt_caption(adopted, drafted)
        return replace(drafted, doubts=self._too_long(drafted.text))

    def edited(self, cut: Cut, draft: Caption, adopted: str | None, edits: Mapping[str, Edit]) -> tuple[Cut, Caption]:
        """The cut saying a person's words, and its caption with all of a person's texts in place of the draft's."""
        if not edits:
            return cut, draft
        texts = {name: edit.text for name, edit in edits.items()}
        words = texts.get(SPEECH)
        if words is None:
            return cut, self.draft(cut, adopted, texts)
        said = with_words(cut, without_sounds(words)) if words else cut
        caption = self.draft(said, adopted, {**texts, WORDS: words})
        return said if words else replace(said, lines=()), caption

    def asked(self, adopted: str | None) -> tuple[str, ...]:
        """Names of the fields that a person can write, in the order in which they are shown: the words first."""
        if adopted is not None:
            return (SPEECH, ADOPTED)
        named = [name for name in dict.fromkeys(names_in(self.template.nodes)) if name not in (SPEECH, WORDS)]
        return (SPEECH, *named)

    def _too_long(self, text: str) -> tuple[Doubt, ...]:
        if len(text.encode()) < self.limit:
            return ()  # no token is less than a byte, but for the one that begins
        bound = most_tokens(text)
        if bound <= self.limit and self.count is None:
            return ()
        tokens = bound if self.count is None else self.count(text)
        if tokens <= self.limit:
            return ()
        told = f"{tokens} tokens" if self.count else f"up to {tokens} tokens (--tokenizer gives the exact number)"
        detail = f"the caption has {told} and the text encoder takes {self.limit}: its end would be cut off unseen"
        return (Doubt("too-long-caption", detail),)

    def _of(self, cut: Cut) -> CaptionSettings:
        """What holds for the cut's speaker: said of `slug/SPEAKER_00`, else of `SPEAKER_00` in every recording."""
        own = f"{cut.slug}/{cut.speaker}"

        def narrowed(known: Mapping[str, str]) -> Mapping[str, str]:
            return {**known, str(cut.speaker): known[own]} if own in known else known

        captions = self.captions
        return replace(captions, subjects=narrowed(captions.subjects), triggers=narrowed(captions.triggers))
