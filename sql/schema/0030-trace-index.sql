-- Apart from 0027, whose lock keeps even readers out: while indexes are made the trace can be read. BRIN: rows come in the
-- order of time.
CREATE INDEX ON trace (sender_hash, at) WHERE sender_hash IS NOT NULL;
CREATE INDEX ON trace (recipient_hash, at) WHERE recipient_hash IS NOT NULL;
CREATE INDEX ON trace USING brin (at);
