SET ROLE tonnage_owner;
DROP TABLE emission_revisions;
RESET ROLE;
