-- One sequencing pass at a time; what waits here sees in its next statement
-- what the one before has done.
SELECT head FROM trivet.store WHERE id = 1 FOR UPDATE
