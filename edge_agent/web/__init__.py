"""HTTP on the device: the Open Inference Protocol, metrics for Prometheus, and one page.

The supervisor's side (no numpy) frames, admits and bounds requests; the worker's side (`answering`,
`oip`, `oip_tensors`) turns their bodies into tensors and answers. `backend` is what stands between.
"""
