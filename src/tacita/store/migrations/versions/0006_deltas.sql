CREATE TABLE deltas (
    version text NOT NULL REFERENCES models,
    base_version text NOT NULL REFERENCES models,
    sha256 text NOT NULL CHECK (length(sha256) = 64),
    size_bytes bigint NOT NULL CHECK (size_bytes > 0),
    PRIMARY KEY (version, base_version)
);
