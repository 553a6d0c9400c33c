-- The sweep leaves out what a delivery has in hand: it locks what it removes, which takes the right to UPDATE.
GRANT UPDATE ON sent_target TO pennypost_system;
