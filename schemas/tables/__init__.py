"""Arrow schemas of the tables that the product reads and writes."""
