"""The commands beside the audit: one module each, a click command that parses, calls, prints and exits."""
