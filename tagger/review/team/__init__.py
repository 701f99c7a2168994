"""Figures of the people who review: agreement, pace and corrections."""
