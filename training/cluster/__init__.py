"""One network trained by the workers of a Ray cluster, each of which runs the same `fit`."""
