"""Shortest walks over a graph of pictures: the pictures, the straight line, the graph, and the search."""
