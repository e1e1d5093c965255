"""Models of requests and answers, one module per group of endpoints."""
