"""The method against itself without a part, and against backpropagation, on one budget."""
