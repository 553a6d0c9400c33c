-- Housekeeping passes over rows of `answered` that a delivery holds, which it has to find by their keys.
GRANT SELECT (postoffice, mailbox, kind, sender), UPDATE (until) ON answered TO pennypost_system;
