-- Queues the changes of a commit to one namespace for the sequencer, once all
-- locks are held. $1 flush, $2 namespace, $3 time, $4 keys, $5 versions,
-- $6 versions before, $7 kinds, $8 live entries added, $9 bytes added.
INSERT INTO trivet.pending (seq, flush, ns, at, keys, versions, previous, kinds, entries, bytes)
VALUES (nextval('trivet.commits'), $1::BYTEA, $2::BYTEA, $3::INT8, $4::BYTEA[], $5::INT8[], $6::INT8[], $7::INT2[],
	$8::INT8, $9::INT8)
