"""What all sides of Godwit agree on: profiles, manifest, bundle, wire messages and errors.

Imports the standard library and msgspec only: no numpy, no ML, no network.
"""

VERSION = "0.1.0"
