-- read: lease, ttl. Gives the entry, or "L" when the lease was given out, "H"
-- and the lease that another reader holds, or "B" while a write is under way.

return each(2, function(key, at)
  local lease, ttl = ARGV[at], tonumber(ARGV[at + 1])
  local kind, s = load(key)
  local floor, marks = 0, ''
  if kind == 'S' then
    marks = sub(s, HEAD + 1)
    if live(marks) then return 'B' end
    local held = sub(s, 10, 17)
    if held ~= NONE and number(s, 18) > now then return 'H' .. held end
    -- The floor guards against writes that are under way and against readers with
    -- an older lease. When there are none, it has done its work.
    if marks ~= '' then floor = number(s, 2) end
  elseif kind ~= '' then
    local expires = number(s, 10)
    if expires == 0 or expires > now then return call('GET', key) end
  end
  if keep(key, floor, lease, now + ttl, marks) then return 'L' end
  return 'B'
end)
