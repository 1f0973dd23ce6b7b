"""The Wan family, through musubi-tuner or ai-toolkit: 4k+1 frames at 16 a second; its text encoder takes 512 tokens."""

from typing import Any

SETTINGS: dict[str, Any] = {
    "frames": "4k+1",
    "min_frames": 33,
    "max_frames": 81,
    "fps": "16",
    "template": "default",
    "max_tokens": 512,
}
