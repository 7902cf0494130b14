"""Every setting of a training, the presets, and settings as a person writes them."""
