"""How a process gets its memory from the operating system."""

KEEP_FREED_MEMORY = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**40),
}
"""Environment of a process that does nothing but compute: it keeps the memory that it frees, and uses it again.

glibc gives large blocks back to the system at once and fetches empty pages for the next. PyTorch on a CPU asks for such
blocks for every tensor: without this, MobileNetV2 trains at 140 images a second in place of 192, and in a thread other
than the first, where Ray Train runs it, at half of that. Other C libraries ignore it.
"""
