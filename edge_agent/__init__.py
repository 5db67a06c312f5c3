"""What runs on the device: a small supervisor and a worker that hosts the deployment.

The supervisor's modules (config, layout, supervisor, child, channel, link, monitor) import neither
numpy nor a runtime; `pipeline`, `flow` and `runtimes` belong to the worker and to the commands that
evaluate.
"""
