"""int8 nets: calibrated, written, and scored as any; what that costs in accuracy."""
