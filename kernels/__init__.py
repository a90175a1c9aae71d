"""Compiled kernels: arrays in, arrays out. They validate nothing and never raise."""
