"""What runs on a bare device, before anything of ours is there: Python 3.10 or newer, the standard library alone.

`probe`, `keep` and `receive` are each sent as a script; the whole package goes along as `godwit-bootstrap.pyz` and
brings about `edge-agent install`. Nothing here may be imported from elsewhere, and nothing here imports from elsewhere.
"""
