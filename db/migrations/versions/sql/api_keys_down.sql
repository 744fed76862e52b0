SET ROLE tonnage_owner;
DROP TABLE api_keys;
RESET ROLE;
