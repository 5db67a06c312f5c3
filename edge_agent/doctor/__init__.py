"""What a support engineer would ask about a device, one subject a file: every check says what to do."""
