-- load.lua: one kind of action for wrk. Sent to `wrk URL -- KIND DATA ORIGIN`.
--
-- DATA has a line per kitchen: cookie, then (kind unchanged) the ETag of its list, or (kind status) a range of ids:
-- production number i belongs to kitchen i % kitchens. Each thread takes every other one, once.

local threads = 0

function setup(thread)
	thread:set("id", threads)
	threads = threads + 1
end

local kitchens, headers, ready = 0, {}, {}
local first, last, at

-- A day of one month each: the batch numbers of a day are counted in one row.
local function create()
	local i, day = math.random(kitchens), math.random(28)
	return wrk.format("POST", "/api/production", headers[i], string.format(
	    '{"programId":"1","menuId":"%d","productionDate":"2026-09-%02d","plannedPortions":%d,"headCook":"1",' ..
	    '"plannedStartTime":"2026-09-%02dT01:00:00.000Z","plannedEndTime":"2026-09-%02dT05:00:00.000Z"}',
	    math.random(10), day, 100 + math.random(900), day, day))
end

local function same()
	return ready[math.random(kitchens)]
end

local moves = { "PREPARING", "COOKING", "QUALITY_CHECK" }
local move = 1

local function status()
	local n = at
	at = at + 2
	if at > last then at, move = first, move + 1 end
	return wrk.format("PATCH", "/api/production/" .. n .. "/status", headers[n % kitchens + 1],
	    '{"status":"' .. moves[move] .. '"}')
end

local paths = { list = "/api/production?limit=20", unchanged = "/api/production?limit=20", session = "/api/session" }

function init(args)
	local kind = args[1]
	for line in io.lines(args[2]) do
		local cookie, tag = line:match("^(%S+)%s*(.*)$")
		local h = { Cookie = "dapur_session=" .. cookie }
		if not paths[kind] then
			h["Content-Type"] = "application/json"
			h["Origin"] = args[3]
		elseif kind == "unchanged" then
			h["If-None-Match"] = tag
		end
		kitchens = kitchens + 1
		headers[kitchens] = h
		ready[kitchens] = paths[kind] and wrk.format("GET", paths[kind], h)
	end
	if kind == "status" then
		first, last = tonumber(args[4]) + id, tonumber(args[5])
		at = first
	end
	math.randomseed(os.time() * 10 + id)
	request = kind == "create" and create or kind == "status" and status or same
end

function done(summary, latency)
	local e = summary.errors
	io.write(string.format('RESULT {"requests":%d,"seconds":%.6f,"errors":%d,"p50_ms":%.3f,"p99_ms":%.3f,' ..
	    '"max_ms":%.3f}\n', summary.requests, summary.duration / 1e6,
	    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50) / 1e3,
	    latency:percentile(99) / 1e3, latency.max / 1e3))
end
