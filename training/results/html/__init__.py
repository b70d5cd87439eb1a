"""The report of a run as one file to look at: no script, no other host, no data needed."""
