"""A simulated population that drives the reference device, with its ground truth known (design §2)."""
