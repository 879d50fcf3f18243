"""Variational search for walks: a Gaussian family of deviations, energies of walks, and the descent.

Support for the method `geodesic-ig-svi`; it knows the model only through the probe.
"""
