"""From a trained run to a version in a model repository."""
