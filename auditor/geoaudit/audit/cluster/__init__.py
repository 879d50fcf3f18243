"""An audit spread over a Ray cluster: every worker holds the model, this process merges what they make."""
