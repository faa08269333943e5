"""What crosses the wire (contract §1 to §6): types, encodings, closed sets of answers. No I/O, no cryptography."""
