"""Many machines on Ray, an extra: pictures scored in bulk, and the service on every node."""
