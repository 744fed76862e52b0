SET ROLE tonnage_owner;

-- A deletion or cancellation that cannot be carried out waits longer each time, and in the end it is
-- given up: one file that cannot be settled must neither hold up the others nor be tried for ever.
ALTER TABLE files
    ADD COLUMN settle_failures SMALLINT NOT NULL DEFAULT 0,
    ADD COLUMN settle_after TIMESTAMP WITH TIME ZONE;

-- What a report shows, to tell later whether the figures are still the same.
ALTER TABLE reports
    ADD COLUMN figures INTEGER,
    ADD COLUMN kg_co2e NUMERIC,
    ADD COLUMN biogenic_kg_co2 NUMERIC;

RESET ROLE;
