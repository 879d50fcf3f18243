"""Built-in imputers."""
