"""What an unfinished run has done so far, kept in the report folder so that the same command goes on from there."""
