-- Enrolled devices; their keys are sealed under the key-encryption key (contract §5).
CREATE TABLE devices (
    device bytea PRIMARY KEY CHECK (length(device) = 32),
    sealed_keys bytea NOT NULL,
    enrolled_at timestamptz NOT NULL,
    rekeyed_at timestamptz
);

-- What was answered 200, so that a retry gets the same answer, and truncated keyed tags of the nodes that it was counted
-- for: a node counts once, in whatever round (contract §2.7, privacy §3). Rows go by age, or with their device; there is
-- no foreign key, since its check would cost every submission a lock on a row (see store/devices.py: erase).
CREATE TABLE accepted_envelopes (
    device bytea NOT NULL CHECK (length(device) = 32),
    accepted_at timestamptz NOT NULL,
    round integer NOT NULL,
    digest bytea NOT NULL CHECK (length(digest) = 32),
    tags bytea NOT NULL CHECK (length(tags) % 8 = 0)
);
CREATE INDEX accepted_envelopes_by_device ON accepted_envelopes (device);
CREATE INDEX accepted_envelopes_by_age ON accepted_envelopes USING brin (accepted_at);

-- The state machine of a round (design §1). sealed_key is destroyed with the release or the abandonment.
CREATE TABLE rounds (
    round integer PRIMARY KEY CHECK (round > 0),
    state text NOT NULL CHECK (state IN
        ('collecting', 'closed', 'released', 'trained', 'evaluated', 'published', 'abandoned')),
    model_version text NOT NULL UNIQUE,
    sealed_key bytea,
    reason text,
    CHECK ((state IN ('collecting', 'closed')) = (sealed_key IS NOT NULL))
);
CREATE UNIQUE INDEX rounds_one_collecting ON rounds (state) WHERE state = 'collecting';

-- The story of a round: each state it reached, when, and what was to say of it.
CREATE TABLE round_events (
    round integer NOT NULL REFERENCES rounds,
    state text NOT NULL,
    happened_at timestamptz NOT NULL,
    detail text NOT NULL DEFAULT '',
    PRIMARY KEY (round, state)
);

-- Bounded counts, sealed under the round's key, under a random per-round tag (privacy §2).
CREATE TABLE contributions (
    round integer NOT NULL REFERENCES rounds,
    tag bytea NOT NULL CHECK (length(tag) = 32),
    sealed bytea NOT NULL,
    PRIMARY KEY (round, tag)
);

-- How many distinct devices a round has: the sum over shards, of which each worker adds to its own.
CREATE TABLE round_devices (
    round integer NOT NULL REFERENCES rounds,
    shard smallint NOT NULL,
    devices bigint NOT NULL,
    PRIMARY KEY (round, shard)
);

-- Cohorts: an app version on a model version, as devices claim them (privacy §1), and what is done with their graphs.
CREATE TABLE cohorts (
    cohort integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    app_version text NOT NULL,
    model_version text NOT NULL,
    state text NOT NULL CHECK (state IN ('tested', 'frozen', 'cleared', 'refused')),
    opened_at timestamptz NOT NULL,
    decided_at timestamptz,
    UNIQUE (app_version, model_version)
);
CREATE INDEX cohorts_by_age ON cohorts (opened_at);
CREATE INDEX cohorts_decided ON cohorts (state) WHERE state IN ('frozen', 'refused');

-- A cohort's evidence: histograms of how its metrics were noised, a row a worker; nothing of any one device.
CREATE TABLE cohort_counts (
    cohort integer NOT NULL REFERENCES cohorts ON DELETE CASCADE,
    shard smallint NOT NULL,
    graphs bigint NOT NULL,
    counts bigint[] NOT NULL,
    PRIMARY KEY (cohort, shard)
);

-- Contributions of a frozen cohort to the open round: not counted until the operator clears it; gone when it closes.
CREATE TABLE held_contributions (
    round integer NOT NULL REFERENCES rounds,
    tag bytea NOT NULL CHECK (length(tag) = 32),
    cohort integer NOT NULL REFERENCES cohorts,
    sealed bytea NOT NULL,
    PRIMARY KEY (round, tag, cohort)
);
CREATE INDEX held_contributions_by_cohort ON held_contributions (cohort);

-- What was released: the statement, and the noisy vector, sealed under the round's secret until it is revealed.
CREATE TABLE releases (
    round integer PRIMARY KEY REFERENCES rounds,
    digest text NOT NULL UNIQUE,
    released_at timestamptz NOT NULL,
    statement jsonb NOT NULL,
    sealed_vector bytea,
    vector bigint[],
    CHECK ((sealed_vector IS NULL) = (vector IS NOT NULL))
);

-- Budget spent, per device tag, append-only, each row chained to the one before it (privacy §4).
CREATE TABLE ledger (
    entry bigint PRIMARY KEY,
    tag bytea NOT NULL CHECK (length(tag) = 32),
    round integer NOT NULL REFERENCES rounds,
    nano_rho bigint NOT NULL CHECK (nano_rho > 0),
    charged_at timestamptz NOT NULL,
    chain bytea NOT NULL CHECK (length(chain) = 32),
    UNIQUE (tag, round)
);
CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN RAISE EXCEPTION 'the ledger is append-only'; END$$;
CREATE TRIGGER ledger_append_only BEFORE UPDATE OR DELETE ON ledger
    FOR EACH ROW EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER ledger_no_truncate BEFORE TRUNCATE ON ledger
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();

-- Each device's latest withdrawal, so that the same request gets its receipt again and a replayed one erases nothing
-- (contract §5.5). It names no device: the tag is keyed, and the receipt opens only with the request's signature.
CREATE TABLE withdrawals (
    tag bytea PRIMARY KEY CHECK (length(tag) = 32),
    signed_at timestamptz NOT NULL,
    sealed_receipt bytea NOT NULL
);

-- The registry of models: what was made of each round, and whether it may ship.
CREATE TABLE models (
    version text PRIMARY KEY,
    number integer NOT NULL UNIQUE CHECK (number > 0),
    base_version text,
    round integer UNIQUE REFERENCES rounds,
    state text NOT NULL CHECK (state IN ('candidate', 'rejected', 'published')),
    format text NOT NULL,
    sha256 text NOT NULL CHECK (length(sha256) = 64),
    size_bytes bigint NOT NULL CHECK (size_bytes > 0),
    created_at timestamptz NOT NULL,
    published_at timestamptz,
    evaluation jsonb,
    improvements jsonb NOT NULL DEFAULT '[]',
    CHECK ((state = 'published') = (published_at IS NOT NULL))
);

-- Deltas that are signed: from which older version to which one (contract §6.1).
CREATE TABLE deltas (
    version text NOT NULL REFERENCES models,
    base_version text NOT NULL REFERENCES models,
    sha256 text NOT NULL CHECK (length(sha256) = 64),
    size_bytes bigint NOT NULL CHECK (size_bytes > 0),
    PRIMARY KEY (version, base_version)
);

-- Every refusal, counted by day, reason and app version (contract §2.7).
CREATE TABLE refusals (
    day date NOT NULL,
    reason text NOT NULL,
    app_version text NOT NULL,
    refused bigint NOT NULL CHECK (refused > 0),
    PRIMARY KEY (day, reason, app_version)
);
