-- A message that was given up on doubt may still lie before a backend that goes on late. Its key then stands for no message
-- (message 0, at -infinity: older than any window to whoever knows nothing of fences) or for the repetition that was
-- stored, and stays when that was read: the late one meets it.
ALTER TABLE repeat ADD COLUMN fenced timestamptz;    -- when it was last made a fence, and so which one; NULL: it is none
