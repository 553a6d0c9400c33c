ALTER TABLE route ADD COLUMN tries int NOT NULL DEFAULT 0;    -- attempts before mail is returned; 0 as queue_tries_most
