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
