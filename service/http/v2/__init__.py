"""The Open Inference Protocol V2 over REST, with Triton's extensions, before the same predictor."""
