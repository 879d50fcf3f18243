"""The built-in plugins: methods, controls, checks and metrics, one file each."""
