"""The only home of PostgreSQL, its migrations and the blobs (design §2): functions over a connection, plain SQL."""
