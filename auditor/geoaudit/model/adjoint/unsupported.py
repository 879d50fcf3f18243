"""The one way in which the adjoint graph says that it cannot be built."""


class Unsupported(Exception):  # noqa: N818  (not an error: another engine computes the gradient)
    """There is no adjoint for this model; the message names the operator or the situation in a clause."""
