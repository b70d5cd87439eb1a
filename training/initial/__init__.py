"""Starting from layers that were trained before: read from a run or a version, and taken over."""
