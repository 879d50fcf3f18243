"""The report as plain values, section by section: everything decided here, nothing painted."""
