"""Calibration of confidences, and the decisions made by them."""
