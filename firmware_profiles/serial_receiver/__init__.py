"""The device's end of a serial line with its disk and its console: `edge-agent receive`, or a zipapp on a bare device.

Standard library only.
"""
