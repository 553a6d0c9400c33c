-- Who is named in a row of the trace, so that "where is my mail" has an answer without the message's id: hashes, as of the
-- Message-ID. Rows from before have none. Nobody looks for a row by its key, which no two rows could share anyway: without it
-- two more hashes cost a message no more to write than before. Both change no row, and take a moment; 0030 makes the indexes.
ALTER TABLE trace ADD sender_hash bigint, ADD recipient_hash bigint;
ALTER TABLE trace DROP CONSTRAINT trace_pkey;
