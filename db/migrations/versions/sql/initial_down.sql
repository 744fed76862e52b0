SET ROLE tonnage_owner;
DROP TABLE login_throttles, refresh_tokens, sessions, audit_events, reports, file_events, reviews,
    row_issues, emissions, decisions, emission_factors, factor_releases, files, projects,
    user_organization_roles, users, organizations;
DROP FUNCTION refuse_change(), touch_updated_at(), current_organization();
RESET ROLE;
