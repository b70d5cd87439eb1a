"""Training: the loop, one layer-local step, and what they need."""
