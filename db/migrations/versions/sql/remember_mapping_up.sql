SET ROLE tonnage_owner;

-- Whether the upload's mapping becomes the organization's once the file is complete: not that of
-- a member who sees some projects only.
ALTER TABLE files ADD COLUMN remember_mapping BOOLEAN NOT NULL DEFAULT false;

RESET ROLE;
