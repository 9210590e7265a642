-- finish: mark, version, kind ('' stores nothing), time left or 0, packed entry.
-- Removes mark and lease, raises the floor, drops an older entry; stores the new
-- one if its own mark still stood, no other does, and nothing newer is known.

local mark, version, new = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local kind, s = load()
if kind == 'S' then
  local marks, own = without(string.sub(s, HEAD + 1), mark)
  local floor = math.max(number(s, 2), version)
  if new ~= '' and own and marks == '' and version >= floor then
    store(new, version, tonumber(ARGV[4]), ARGV[5])
  else
    keep(floor, NONE, 0, marks)
  end
elseif kind ~= '' and number(s, 2) < version then
  forget()
end
return 1
