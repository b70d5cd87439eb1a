"""Data sets as uint8 tensors: reading, splitting, augmenting."""
