-- Statement and vector become columns of their own; a vector is sealed under its round's secret until it is revealed.
ALTER TABLE releases
    ADD COLUMN statement jsonb,
    ADD COLUMN sealed_vector bytea,
    ADD COLUMN vector bigint[];
UPDATE releases SET
    statement = body->'statement',
    vector = ARRAY(SELECT cell::bigint FROM jsonb_array_elements_text(body->'vector') WITH ORDINALITY AS c (cell, place)
        ORDER BY place);
ALTER TABLE releases
    DROP COLUMN body,
    ALTER COLUMN statement SET NOT NULL,
    ADD CHECK ((sealed_vector IS NULL) = (vector IS NOT NULL));
