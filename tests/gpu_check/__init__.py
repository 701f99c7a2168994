"""What only a machine with a GPU can show: `python -m tests.gpu_check --out DIR`, or `make gpu-check`.

Each step ends in checks that hold or do not; figures beside them. `--device cpu --small` is a dry run without a GPU.
"""
