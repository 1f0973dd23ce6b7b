"""A Cut and what a person says of it, in a dialect: its Caption."""

from __future__ import annotations

from captioner.captions.fields import ALWAYS, FIELDS, CaptionSettings
from captioner.captions.template import Template, render
from captioner.captions.text import phrase
from captioner.types import Caption, Cut

__all__ = ["CaptionSettings", "compose"]


def compose(cut: Cut, settings: CaptionSettings, template: Template) -> Caption:
    """Raises TemplateError where the trigger is empty."""
    asked = {ask.name: phrase(settings.answers.get(ask.name, ask.default or "")) for ask in template.asks}
    kept = {made.__name__: made for made in ALWAYS} | {name: FIELDS[name] for name in template.names if name in FIELDS}
    measured = {name: made(cut, settings) for name, made in kept.items()}
    return render(template, {**measured, **asked})
