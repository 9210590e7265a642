-- begin: mark, ttl. Adds the mark, removes entry and lease.

-- merged makes one mark of all that have expired, or of all when none has.
-- Their writes then store nothing, as writes with an unknown outcome do anyway.
local function merged(marks)
  local kept, last = {}, 0
  for at = 1, #marks, MARK do
    local till = number(marks, at + 8)
    if till > now then kept[#kept + 1] = string.sub(marks, at, at + MARK - 1)
    elseif till > last then last = till end
  end
  if last == 0 then
    kept = {}
    for at = 1, #marks, MARK do last = math.max(last, number(marks, at + 8)) end
  end
  return table.concat(kept) .. NONE .. struct.pack('<i8', last)
end

return each(2, function(key, at)
  local mark, ttl = ARGV[at], tonumber(ARGV[at + 1])
  local kind, s = load(key)
  local floor, marks = 0, ''
  if kind == 'S' then
    floor = number(s, 2)
    marks = without(string.sub(s, HEAD + 1), mark)
    if #marks >= MOST * MARK then marks = merged(marks) end
  elseif kind ~= '' then
    floor = number(s, 2)
  end
  keep(key, floor, NONE, 0, marks .. mark .. struct.pack('<i8', now + ttl), math.ceil(ttl / 1000))
  return 1
end)
