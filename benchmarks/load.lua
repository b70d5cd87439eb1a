-- Sends the bodies in turn, and prints what came of it as one line of JSON.
-- wrk -s load.lua URL -- CONTENT-TYPE BODY-FILE...

local requests, turn = {}, 0

function init(args)
  for number = 2, #args do
    local file = assert(io.open(args[number], "rb"))
    local headers = { ["Content-Type"] = args[1] }
    requests[#requests + 1] = wrk.format("POST", nil, headers, file:read("*a"))
    file:close()
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, '
      .. '"non_2xx": %d, "socket_errors": %d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout
  ))
end
