"""What a network is, in torch: goodness, assignment, blocks, and the stack of them."""
