"""musubi-tuner, the LTX-2 branch.

`target_fps` is 25.0 by default and sources of 24 are played as 25, so clips are made at 25. With `head` extraction
the sound of a clip longer than its target is squeezed into it: one dataset block a frame count.
"""

from typing import Any

SETTINGS: dict[str, Any] = {"frames": "8k+1", "fps": "25", "template": "default"}
