"""What a served model is: its outputs, manifest, checks, pixels, storage and runtime. No torch."""
