"""Speed, as ratios between things measured in one run on the same bodies. Nothing here is imported by the product."""
