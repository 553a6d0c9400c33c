-- What a runner is trying stays in its row: as a value of its own a list of some hundred numbers took
-- milliseconds to write.
ALTER TABLE qrunner ALTER COLUMN trying SET STORAGE MAIN;
ALTER TABLE qrunner SET (toast_tuple_target = 8160);
