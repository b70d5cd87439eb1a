"""What a layer learns from: the local loss, a list of weighted terms."""
