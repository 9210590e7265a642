-- Sends requests that were made beforehand, one after another, and prints what
-- came of them as one line of JSON. Its argument is a file of requests, each
-- behind its length in three bytes.

local requests, last = {}, 0

function init(args)
  local file = assert(io.open(args[1], "rb"))
  local data = file:read("*a")
  file:close()
  local at = 1
  while at <= #data do
    local a, b, c = data:byte(at, at + 2)
    local length = (a * 256 + b) * 256 + c
    requests[#requests + 1] = data:sub(at + 3, at + 2 + length)
    at = at + 3 + length
  end
end

function request()
  last = last % #requests + 1
  return requests[last]
end

function done(summary, latency)
  local e = summary.errors
  print(string.format(
    '{"requests":%d,"bytes":%d,"micros":%d,"failed":%d,"p50":%f,"p99":%f}',
    summary.requests, summary.bytes, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
