"""A process of its own: reads a release file, writes a policy pack or its evaluation. No database, no keys, no network."""
