"""The report to look at, drawn from real runs and from chosen values."""
