"""The privacy engine (privacy.md): rules, bounding, mechanism, accountant, release. Pure: data in, data out.

The only home of opendp. Everything behind `bounding.count_nodes` takes counts or vectors, never a graph.
"""
