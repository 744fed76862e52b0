SET ROLE tonnage_owner;
ALTER TABLE decisions DROP COLUMN question_hash;
DROP TABLE model_breakers, model_spend, model_answers, model_calls;
ALTER TABLE organizations DROP COLUMN ai_matching;
RESET ROLE;
