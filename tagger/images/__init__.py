"""Where image bytes come from: folders, URIs, S3, http, Parquet."""
