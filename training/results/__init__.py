"""What a run leaves behind: reports, checkpoints, the trained model, the log."""
