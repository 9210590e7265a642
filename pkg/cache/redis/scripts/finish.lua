-- finish: mark, version, kind ('' stores nothing), time left or 0, packed entry.
-- Removes mark and lease, raises the floor, drops an older entry; stores the new
-- one if its own mark still stood, no other does, and nothing newer is known.

return each(5, function(key, at)
  local mark, version, new = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2]
  local kind, s = load(key)
  if kind == 'S' then
    local marks, own = '', #s == HEAD + MARK and sub(s, HEAD + 1, HEAD + 8) == mark
    if not own then marks, own = without(sub(s, HEAD + 1), mark) end
    local floor = math.max(number(s, 2), version)
    if new ~= '' and own and marks == '' and version >= floor then
      store(key, new, version, tonumber(ARGV[at + 3]), ARGV[at + 4])
    else
      keep(key, floor, NONE, 0, marks)
    end
  elseif kind ~= '' and number(s, 2) < version then
    forget(key)
  end
  return 1
end)
