-- What all steps share. A step is made for each of the keys, one after another;
-- their arguments follow each other in ARGV. One string per key holds either an
-- entry or, while there is none, what the protocol needs to know. Numbers are
-- little-endian signed 64-bit integers, times are in microseconds.
--
--   entry    "E" or "A" (absent), version, expiry or 0, then what the client packed
--   no entry "S", floor, lease, the lease's deadline, then for each mark its id and its deadline
--
-- An entry stands only while there is no mark and no lease, and its version is
-- the floor. A key that is forgotten is as good as one that never was, so where
-- memory has run out, and a value cannot be stored, the key is deleted instead.

local now = clock()

local call, sub, pack, unpack = redis.call, string.sub, struct.pack, struct.unpack

local NONE = string.rep('\0', 8)     -- no lease; also the id of marks that were merged
local FREE = NONE .. NONE            -- no lease, and its deadline
local STAY = 3600 * 1000             -- longest stay of a value after the last step, in ms
local MARK = 16                      -- length of a mark
local HEAD = 25                      -- length of a state without its marks
local MOST = 1024                    -- marks that are told apart

local function number(s, at) return (unpack('<i8', s, at)) end

-- load gives the kind of what is kept and its first bytes: enough of an entry,
-- and all of a state, which seldom has more than one mark.
local function load(key)
  local s = call('GETRANGE', key, 0, HEAD + MARK)
  local kind = sub(s, 1, 1)
  if kind == 'S' and #s > HEAD + MARK then s = call('GET', key) end
  return kind, s
end

local function forget(key) call('DEL', key) end

local function put(key, s, ms)
  local r = redis.pcall('SET', key, s, 'PX', ms)
  if type(r) == 'table' and r.err then
    if string.find(r.err, 'OOM', 1, true) then forget(key) return false end
    error(r.err)
  end
  return true
end

-- keep stores a state; one that says nothing is forgotten.
local function keep(key, floor, lease, till, marks, ms)
  if lease == NONE and marks == '' then forget(key) return false end
  return put(key, 'S' .. pack('<i8', floor) .. lease .. pack('<i8', till) .. marks, STAY + (ms or 0))
end

-- store keeps an entry of which `left` microseconds are left, 0 for all time.
local function store(key, kind, version, left, body)
  local ms, expires = STAY, 0
  if left > 0 then
    expires = now + left
    ms = math.min(STAY, math.floor(left / 1000))
    if ms < 1 then forget(key) return false end
  end
  return put(key, kind .. pack('<i8i8', version, expires) .. body, ms)
end

-- live tells whether a mark stands whose deadline has not come.
local function live(marks)
  for at = #marks - MARK + 1, 1, -MARK do
    if number(marks, at + 8) > now then return true end
  end
  return false
end

-- without gives the marks but for one, and whether that one was among them.
local function without(marks, id)
  local from = 1
  while true do
    local at = string.find(marks, id, from, true)
    if not at then return marks, false end
    if at % MARK == 1 then return sub(marks, 1, at - 1) .. sub(marks, at + MARK), true end
    from = at + 1
  end
end

-- each makes the step for every key and gives the answers. A step takes its key
-- and where in ARGV its arguments begin, of which it has `n`.
local function each(n, step)
  local answers = {}
  for i = 1, #KEYS do answers[i] = step(KEYS[i], (i - 1) * n + 1) end
  return answers
end
