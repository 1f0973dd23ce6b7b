"""SimpleTuner.

One global `--framerate`, 25 by default, decides positions and sound; no resampling, so clips are made at 25. A caption
with a line break is split and one part drawn at random: captions are one line.
"""

from typing import Any

SETTINGS: dict[str, Any] = {"frames": "8k+1", "fps": "25", "template": "default"}
