"""Lightricks' own LTX-2 trainer.

Frame counts 8k+1; every clip is stored with its own rate, and only the first frames of a bucket are used, so any of
24, 25 and 30 frames a second will do. Its captions are one paragraph of prose without labels, speech quoted exactly,
absences stated.
"""

from typing import Any

SETTINGS: dict[str, Any] = {"frames": "8k+1", "fps": "auto", "template": "ltx-prose"}
