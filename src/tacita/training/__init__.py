"""A process of its own: from a release file to a policy pack or its evaluation. No database, no keys, no network."""
