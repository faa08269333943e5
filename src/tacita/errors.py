"""The root of every error that tacita raises on purpose.

Each room subclasses `TacitaError`; the command line turns any of them into one clear line on stderr and exit code 1
(design §4). A message never holds a key, a plaintext, or a value from a graph.
"""


class TacitaError(Exception):
    """Something asked for can't be done; the message is fit to show to an operator."""
