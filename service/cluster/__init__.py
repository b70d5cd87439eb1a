"""Many machines on Ray, an extra: pictures scored in bulk."""
