"""The settings of one training run, by concern; no torch here, so that --help is quick."""
