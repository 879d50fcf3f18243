"""The images room: from a folder to model input, with the source of every preprocessing field."""
