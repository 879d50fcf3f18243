"""Built-in checks."""
