-- Points for POST /v1/ml/anomaly/stream, as ./dev bench service sends them; see service_load.py.
--
-- Arguments: prefix n_streams n_rows n_columns form pause settings
--   prefix    of the streams' names; what follows it is a number from 0
--   form      "lists" or "objects": how a row is written; a single row is always an object
--   pause     milliseconds that a connection waits before each request
--   settings  further members of the body, as JSON without its braces
--
-- Bodies are made before the load begins, and sent in turn. Streams take turns, too.

local N_SINGLE, N_BATCHES = 4096, 48
local requests, position = {}, 0

-- Normal values, which JSON writes in about nine characters.
local function normal()
  local radius = math.sqrt(-2 * math.log(1 - math.random()))
  return radius * math.cos(2 * math.pi * math.random())
end

local function row(n_columns, as_object)
  local cells = {}
  for j = 1, n_columns do
    local value = string.format("%.6f", normal())
    cells[j] = as_object and string.format('"f%d":%s', j - 1, value) or value
  end
  local text = table.concat(cells, ",")
  return as_object and "{" .. text .. "}" or "[" .. text .. "]"
end

local function data(n_rows, n_columns, form)
  if n_rows == 1 then return row(n_columns, true) end
  local rows = {}
  for i = 1, n_rows do rows[i] = row(n_columns, form == "objects") end
  return "[" .. table.concat(rows, ",") .. "]"
end

function init(arguments)
  local prefix, n_streams, n_rows = arguments[1], tonumber(arguments[2]), tonumber(arguments[3])
  local n_columns, form = tonumber(arguments[4]), arguments[5]
  local pause, settings = tonumber(arguments[6]), arguments[7]
  if pause > 0 then
    function delay() return pause end
  end
  math.randomseed(1)
  local n_bodies = n_rows == 1 and N_SINGLE or N_BATCHES
  -- As many for each stream.
  n_bodies = math.ceil(n_bodies / n_streams) * n_streams
  local headers = { ["Content-Type"] = "application/json" }
  for i = 1, n_bodies do
    local body = string.format(
      '{"model":"%s%d","data":%s,%s}',
      prefix, (i - 1) % n_streams, data(n_rows, n_columns, form), settings
    )
    requests[i] = wrk.format("POST", nil, headers, body)
  end
end

function request()
  position = position % #requests + 1
  return requests[position]
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  local report = string.format(
    '{"requests":%d,"failed":%d,"seconds":%.6f,"mean_ms":%.6f,"max_ms":%.6f',
    summary.requests, failed, summary.duration / 1e6, latency.mean / 1e3, latency.max / 1e3
  )
  for _, p in ipairs({ 50, 95, 99 }) do
    report = report .. string.format(',"p%d_ms":%.6f', p, latency:percentile(p) / 1e3)
  end
  io.write("\n", report, "}\n")
end
