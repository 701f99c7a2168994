"""Packs the images of a store into Parquet shards, which are read in a few large requests."""
