"""Trained models that are kept in files: those of the batch API, and bundles."""
