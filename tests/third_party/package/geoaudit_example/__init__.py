"""An example of a third-party plugin package: one method, one metric."""
