"""Several processes behind one port: one accepts and hands connections out, the others serve."""
