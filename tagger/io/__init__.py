"""Files: locations, locks and leases, atomic writes, and temporary folders."""
