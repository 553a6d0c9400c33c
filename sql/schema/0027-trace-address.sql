-- Who is named in a row of the trace, so that "where is my mail" has an answer without the message's id: hashes, as of the
-- Message-ID. Rows from before have none. BRIN: rows come in the order of time. Nobody looks for a row by its key, which no two
-- rows could share anyway: without it two more hashes cost a message no more to write than before.
ALTER TABLE trace ADD sender_hash bigint, ADD recipient_hash bigint;
CREATE INDEX ON trace (sender_hash, at) WHERE sender_hash IS NOT NULL;
CREATE INDEX ON trace (recipient_hash, at) WHERE recipient_hash IS NOT NULL;
CREATE INDEX ON trace USING brin (at);
ALTER TABLE trace DROP CONSTRAINT trace_pkey;
