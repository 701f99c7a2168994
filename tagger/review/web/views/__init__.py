"""The routes of the review page, one router per view."""
