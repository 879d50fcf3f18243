"""Patterns of a model's weighted layers: learned from pictures, put into the backward pass, their share reported.

These modules import torch; methods import them where they are used.
"""
