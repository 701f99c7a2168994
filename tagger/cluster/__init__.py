"""Ray, inside this process or on a cluster."""
