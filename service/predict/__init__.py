"""Prediction without HTTP: lanes, their queues and workers, and the predictor in front of them."""
