-- An accepted envelope and the tags of the nodes that it was counted for become one row, found by its device. What was
-- counted before stays counted; which round its envelope went to was not kept, so its retry is answered as a new graph
-- without new nodes.
DROP TABLE accepted_envelopes;
CREATE TABLE accepted_envelopes (
    device bytea NOT NULL CHECK (length(device) = 32),
    accepted_at timestamptz NOT NULL,
    round integer NOT NULL,
    digest bytea NOT NULL CHECK (length(digest) = 32),
    tags bytea NOT NULL CHECK (length(tags) % 8 = 0)
);
INSERT INTO accepted_envelopes
    SELECT device, counted_at, 0, decode(repeat('00', 32), 'hex'), tags FROM counted_nodes ORDER BY counted_at;
CREATE INDEX accepted_envelopes_by_device ON accepted_envelopes (device);
CREATE INDEX accepted_envelopes_by_age ON accepted_envelopes USING brin (accepted_at);
DROP TABLE counted_nodes;

CREATE TABLE round_devices (
    round integer NOT NULL REFERENCES rounds,
    shard smallint NOT NULL,
    devices bigint NOT NULL,
    PRIMARY KEY (round, shard)
);
INSERT INTO round_devices SELECT round, 0, count(*) FROM contributions GROUP BY round;
