CREATE TABLE withdrawals (
    tag bytea PRIMARY KEY CHECK (length(tag) = 32),
    signed_at timestamptz NOT NULL,
    sealed_receipt bytea NOT NULL
);
