-- Since when a runner has each of its rows in hand: seconds before the list was noted. A program from before it notes none.
-- Numbers this small leave room on the page for the row's next version.
ALTER TABLE qrunner ADD COLUMN ages smallint[] NOT NULL DEFAULT '{}', ADD COLUMN noted timestamptz;
ALTER TABLE qrunner ALTER COLUMN ages SET STORAGE MAIN;
