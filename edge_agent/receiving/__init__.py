"""What `edge-agent receive` is made of. Standard library only, but pyserial where a port is named."""
