"""ostris' ai-toolkit.

With `auto_frame_count` clips keep real time and are floored to 8k+1 frames from frame 0; nothing is lost where the
clip's rate is the dataset's `fps`. At 25 frames a second its float arithmetic drops 8 frames of 57, 113 and 201, so
those counts are not made.
"""

from typing import Any

SETTINGS: dict[str, Any] = {"frames": "49,65,73,81,89,97,105,121", "fps": "auto", "template": "default"}
