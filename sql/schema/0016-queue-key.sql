-- Rows of the queue are found by their ids alone: the shard leads the indexes of claims, not the key. Ids are unique by
-- themselves; the key keeps the shard so that a row stays what it was.

ALTER TABLE queue DROP CONSTRAINT queue_pkey, ADD CONSTRAINT queue_pkey PRIMARY KEY (qid, shard);
ALTER TABLE queue_deferred DROP CONSTRAINT queue_deferred_pkey, ADD CONSTRAINT queue_deferred_pkey PRIMARY KEY (qid, shard);
