"""Logs for programs that compare runs: each is an extra, and imported only when it is asked for."""
