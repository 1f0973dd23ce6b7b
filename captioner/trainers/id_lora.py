"""ID-LoRA.

Trained on 512x512, 121 frames at 25 a second; its captions are the tagged form.
"""

from typing import Any

SETTINGS: dict[str, Any] = {
    "frames": "121",
    "min_frames": 121,
    "max_frames": 121,
    "fps": "25",
    "size": "512x512",
    "template": "id-lora",
}
