"""Verification: is a stored report about these files, is it unaltered, and do its numbers come out again?

Every step names what differs, and all steps are made even where an early one fails: digests of the report folder, the
report against itself, the model, the pictures, the maps, and a re-run.  The re-run is left out where the model is
another.
"""
