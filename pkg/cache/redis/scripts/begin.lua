-- begin: mark, ttl. Adds the mark, removes entry and lease.

-- merged makes one mark of all that have expired, or of all when none has.
-- Their writes then store nothing, as writes with an unknown outcome do anyway.
local function merged(marks)
  local kept, last = {}, 0
  for at = 1, #marks, MARK do
    local till = number(marks, at + 8)
    if till > now then kept[#kept + 1] = sub(marks, at, at + MARK - 1)
    elseif till > last then last = till end
  end
  if last == 0 then
    kept = {}
    for at = 1, #marks, MARK do last = math.max(last, number(marks, at + 8)) end
  end
  return table.concat(kept) .. NONE .. pack('<i8', last)
end

return each(2, function(key, at)
  local mark, ttl = ARGV[at], tonumber(ARGV[at + 1])
  local kind, s = load(key)
  local floor, marks = sub(s, 2, 9), ''
  if kind == '' then
    floor = NONE
  elseif kind == 'S' then
    marks = without(sub(s, HEAD + 1), mark)
    if #marks >= MOST * MARK then marks = merged(marks) end
  end
  put(key, 'S' .. floor .. FREE .. marks .. mark .. pack('<i8', now + ttl), STAY + math.ceil(ttl / 1000))
  return 1
end)
