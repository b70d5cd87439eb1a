"""One network trained by several processes, as one process would train it."""
