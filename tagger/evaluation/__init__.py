"""How good a model or a run is: metrics, plots, and a report to open."""
