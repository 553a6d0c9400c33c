# Migrations and named statements; both become tables inside libprovider.
sql_schema =
sql_statements =
EXTRA_DIST += $(sql_schema) $(sql_statements)
