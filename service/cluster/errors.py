"""What goes wrong with a cluster."""


class ClusterError(Exception):
    """The cluster cannot be joined, or has not done what it was asked to do."""
