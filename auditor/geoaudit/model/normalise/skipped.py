"""The one way in which a pass says that it could not run."""


class PassSkipped(Exception):  # noqa: N818  (not an error: the graph stays as it was)
    """A pass does not apply to this model; the message says why.  The graph is left as it was."""
