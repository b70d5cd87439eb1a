"""The service that answers `/predict` and explains its answers."""
