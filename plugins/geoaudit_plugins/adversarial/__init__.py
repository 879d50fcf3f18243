"""Walks that start at a changed picture: the image, moved until the model takes it for something else."""
