-- A note of what a copy or move did lives for an hour and is hardly ever read: to compress its UIDs costs more than it spares.
ALTER TABLE outcome ALTER COLUMN uids SET STORAGE EXTERNAL;
