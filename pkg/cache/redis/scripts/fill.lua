-- fill: lease, version, kind ('' stores nothing), time left or 0, packed entry.
-- Gives 1 when the entry was stored: the lease stood, no mark is live, and
-- nothing newer is known.

return each(5, function(key, at)
  local lease, version, new = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2]
  local kind, s = load(key)
  if kind ~= 'S' or sub(s, 10, 17) ~= lease or number(s, 18) <= now then return 0 end
  local marks, floor = sub(s, HEAD + 1), number(s, 2)
  if new == '' or live(marks) or version < floor then
    keep(key, floor, NONE, 0, marks)
    return 0
  end
  if store(key, new, version, tonumber(ARGV[at + 3]), ARGV[at + 4]) then return 1 end
  return 0
end)
