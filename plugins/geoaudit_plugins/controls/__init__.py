"""Built-in controls."""
