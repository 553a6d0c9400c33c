-- Annotations under /private of whoever reads a folder of others go with that folder, as its owner's do.
ALTER TABLE annotation NO FORCE ROW LEVEL SECURITY;
ALTER TABLE folder NO FORCE ROW LEVEL SECURITY;
-- What a folder is used for stands in its row alone.
DELETE FROM annotation a WHERE a.name = '/private/specialuse' OR a.folder <> 0
	AND NOT EXISTS (SELECT FROM folder f WHERE f.postoffice = a.postoffice AND f.folder = a.folder);
ALTER TABLE annotation ADD COLUMN place bigint GENERATED ALWAYS AS (nullif(folder, 0)) STORED,
	ADD FOREIGN KEY (postoffice, place) REFERENCES folder ON DELETE CASCADE;
CREATE INDEX annotation_place ON annotation (postoffice, place);
ALTER TABLE folder FORCE ROW LEVEL SECURITY;
ALTER TABLE annotation FORCE ROW LEVEL SECURITY;
