-- What the planner is told of the column `postoffice`: a plan is made once for post offices of every
-- size, and counting the rows of the average one makes reading a whole post office look cheaper than
-- looking up ten keys in it. With one distinct value each index counts by its other columns, which say
-- as much, for identifiers belong to one post office only. It holds from a table's next ANALYZE.

CREATE OR REPLACE FUNCTION tenant_table(t regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t);
	EXECUTE format('CREATE POLICY run ON %s TO pennypost_run USING (postoffice = tenant()) WITH CHECK (postoffice = tenant())', t);
	EXECUTE format('CREATE POLICY system ON %s TO pennypost_system USING (true) WITH CHECK (true)', t);
	EXECUTE format('ALTER TABLE %s ALTER postoffice SET (n_distinct = 1, n_distinct_inherited = 1)', t);
END $$;

DO $$
DECLARE
	t regclass;
BEGIN
	FOR t IN
		SELECT c.oid FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'postoffice'
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'postoffice'
	LOOP
		EXECUTE format('ALTER TABLE %s ALTER postoffice SET (n_distinct = 1, n_distinct_inherited = 1)', t);
	END LOOP;
END $$;
