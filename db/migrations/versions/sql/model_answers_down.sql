SET ROLE tonnage_owner;

RESET ROLE;
