"""The demo: anomalies in New York's taxi rides, found while the rides come in.

Run it with ``python -m freshet.demo``.
"""
