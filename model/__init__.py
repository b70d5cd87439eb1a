"""What a goodserve model is: FF blocks, the goodness classifier, its contract and repository."""
