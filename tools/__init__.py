"""Programs of the repository that are not shipped: set-up, demo, generated documentation."""
