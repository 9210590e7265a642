-- Gives a lease up. $1 name, $2 holder.
UPDATE trivet.leases SET expires = 0 WHERE name = $1::TEXT AND holder = $2::BYTEA
