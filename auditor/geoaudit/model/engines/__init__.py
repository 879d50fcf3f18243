"""Engines that give value and gradient of the explained output, and the contest that chooses one of them."""
