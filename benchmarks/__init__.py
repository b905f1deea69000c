"""What is measured beside other programs, by one command: ``python -m benchmarks``."""
