"""Manifolds of pictures that methods walk on: codes, and pictures made from codes."""
