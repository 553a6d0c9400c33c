-- Whom a count of failed logons is about, for people: keys are digests. Empty where an older program counted.
ALTER TABLE throttle ADD COLUMN subject text NOT NULL DEFAULT '';
