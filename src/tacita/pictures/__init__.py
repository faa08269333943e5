"""Pictures of what was learned and of what a fleet does: the one home of matplotlib."""
