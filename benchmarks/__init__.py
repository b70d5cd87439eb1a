"""The programs that the README's figures come from; development only, not in the wheel."""
