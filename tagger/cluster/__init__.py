"""Ray sessions, embedded in this process or on a cluster, and jobs submitted to a cluster."""
