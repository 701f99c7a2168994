"""Contracts between the stages: Arrow schemas, enums and job configs."""
