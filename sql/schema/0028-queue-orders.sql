-- Orders of operators reach what runners have claimed already: processes remember the revision they know.
INSERT INTO revision (kind) VALUES ('queue');

-- The law of these two tables names no column as it stands, so that no index follows from it: where a report ends the rows
-- that caused it, a plan made while the queue was empty read all rows of the post office by that.
ALTER POLICY run ON queue USING (postoffice + 0 = tenant());
ALTER POLICY run ON queue_deferred USING (postoffice + 0 = tenant());
