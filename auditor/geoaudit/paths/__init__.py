"""The paths room: walks, the integrator, and what is measured on a walk."""
