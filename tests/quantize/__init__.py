"""Tests of int8 nets."""
