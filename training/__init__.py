"""Training of Forward-Forward networks: data, layer-local updates, export, publishing."""
