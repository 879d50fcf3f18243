"""What the sanity checks share: maps under changed models, the similarity of two maps, and the learned weights."""
