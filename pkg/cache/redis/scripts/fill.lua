-- fill: lease, version, kind ('' stores nothing), time left or 0, packed entry.
-- Gives 1 when the entry was stored: the lease stood, no mark is live, and
-- nothing newer is known.

local lease, version, new = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local kind, s = load()
if kind ~= 'S' or string.sub(s, 10, 17) ~= lease or number(s, 18) <= now then return 0 end
local marks, floor = string.sub(s, HEAD + 1), number(s, 2)
if new == '' or live(marks) or version < floor then
  keep(floor, NONE, 0, marks)
  return 0
end
if store(new, version, tonumber(ARGV[4]), ARGV[5]) then return 1 end
return 0
