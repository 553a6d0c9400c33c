-- Rights that no statement needs go: what neither role may do, no mistake can do either. Messages, bodies and the change log
-- are facts that serving roles add and remove, and never change. Whose statement wants one of these again grants it anew.

REVOKE UPDATE ON address, blob, blob_seg, change, expunged, mailgroup_member, message, queue, subscription FROM pennypost_run;
REVOKE DELETE ON credential, folder_snap FROM pennypost_run; -- they go with their mailbox and folder
REVOKE SELECT ON trace FROM pennypost_run;

REVOKE DELETE ON lease FROM pennypost_system;
REVOKE INSERT ON queue FROM pennypost_system;
REVOKE SELECT (nseg, rawlen) ON blob FROM pennypost_system;
REVOKE SELECT (seg) ON blob_seg FROM pennypost_system;
REVOKE SELECT (id, postoffice) ON outcome FROM pennypost_system;

-- Nobody ever wrote to it: how other systems behave is known by the runners themselves.
DROP TABLE domain_state;
