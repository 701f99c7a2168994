"""File suffixes of supported images, and of unsupported ones."""

IMAGE_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif",
)  # fmt: skip
UNREAD_SUFFIXES = (
    ".heic", ".heif", ".jxl", ".jp2", ".svg", ".eps", ".ai", ".pdf", ".psd", ".dng", ".cr2", ".nef", ".arw", ".mp4",
)  # fmt: skip
