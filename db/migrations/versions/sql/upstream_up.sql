SET ROLE tonnage_owner;

-- Whether the uploader asked for what comes before a figure (well-to-tank, grid losses).
ALTER TABLE files ADD COLUMN upstream BOOLEAN NOT NULL DEFAULT false;

-- kg that stand beside calculated_emission and are in no total of it; NULL: the source has none.
ALTER TABLE emissions
    ADD COLUMN upstream_emission FLOAT,
    ADD COLUMN outside_of_scopes_emission FLOAT;

RESET ROLE;
