"""Charts: numbers in, self-contained SVG out."""
