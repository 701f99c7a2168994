"""The addresses of the review page, one router a view."""
