-- Dissector for traces of vhost-hexagon (`vhost-hexagon run --trace FILE.pcapng`): GLINK commands, FastRPC requests and answers,
-- SMP2P words, and what happened to the DSPs. Layout and fields: docs/tracing.md.
--
--   wireshark -X lua_script:docs/wireshark/vhost-hexagon.lua FILE.pcapng
--   tshark -X lua_script:docs/wireshark/vhost-hexagon.lua -r FILE.pcapng
--
-- or put it into ~/.local/lib/wireshark/plugins. The packets have link type USER0 (147).

local vhx = Proto("vhx", "vhost-hexagon trace")

-- Names ------------------------------------------------------------------------------------------------------------------

local KINDS = {
  [0] = "about", "glink", "memory", "smp2p", "state", "crash", "interrupt", "write", "poke", "injected", "finding", "lost",
  "thread",
}
local DIRECTIONS = { "to-dsp", "to-ap" }
local ROLES = { [0] = "descriptors", "input", "output" }
local STATES = { "started", "ended", "halted", "watchdog" }
local PLACES = { [0] = "to-ap-head", "from-ap-tail", "to-ap-tail", "from-ap-head", "boot-status" }
local INJECTED = { "glink", "message", "smp2p" }
local RUNS = { "begins", "ends" }
local COMMANDS = {
  [0] = "version", "version-ack", "open", "close", "open-ack", "intents", "rx-done", "rx-intent-req", "rx-intent-req-ack",
  "tx-data", nil, "close-ack", "tx-data-cont", "read-notif", "rx-done-reuse", "signals",
}
local FASTRPC = "fastrpcglink-apps-dsp"
local NEXT2 = "next2"

-- The tables between these two marks are checked against the program's own by a test.
-- BEGIN NAMES
local METHODS = {
  adsp_current_process = { [0] = "exit", [1] = "thread_exit", [2] = "set_logging_params", [3] = "getASID", [4] = "setQoS",
    [5] = "exception", [6] = "set_logging_params2", [7] = "poll_mode", [8] = "enable_notifications",
    [9] = "panic_err_codes", },
  adsp_current_process1 = { [0] = "exit", [1] = "thread_exit", [2] = "set_logging_params", [3] = "getASID",
    [4] = "setQoS", [5] = "exception", [6] = "set_logging_params2", [7] = "poll_mode", [8] = "enable_notifications",
    [9] = "panic_err_codes", },
  adsp_default_listener = { [0] = "register", },
  adsp_default_listener1 = { [0] = "register", },
  adsp_listener = { [2] = "init", [3] = "init2", [4] = "next2", [5] = "get_in_bufs2", },
  adsp_listener1 = { [2] = "init", [3] = "init2", [4] = "next2", [5] = "get_in_bufs2", },
  adsp_perf = { [0] = "enable", [1] = "get_usecs", [2] = "get_keys", },
  adsp_perf1 = { [0] = "enable", [1] = "get_usecs", [2] = "get_keys", },
  adspmsgd_adsp1 = { [0] = "init2", [1] = "deinit", [2] = "init3", [3] = "wait", },
  adspmsgd_apps = { [0] = "log", },
  apps_mem = { [0] = "request_map", [1] = "request_unmap", [2] = "request_map64", [3] = "request_unmap64",
    [4] = "share_map", [5] = "share_unmap", [6] = "dma_handle_map", [7] = "dma_handle_unmap", },
  apps_remotectl = { [0] = "open", [1] = "close", },
  apps_std = { [0] = "fopen", [1] = "freopen", [2] = "fflush", [3] = "fclose", [4] = "fread", [5] = "fwrite",
    [6] = "fgetpos", [7] = "fsetpos", [8] = "ftell", [9] = "fseek", [10] = "flen", [11] = "rewind", [12] = "feof",
    [13] = "ferror", [14] = "clearerr", [15] = "print_string", [16] = "getenv", [17] = "setenv", [18] = "unsetenv",
    [19] = "fopen_with_env", [20] = "fgets", [21] = "get_search_paths_with_env", [22] = "fileExists", [23] = "fsync",
    [24] = "fremove", [25] = "fdopen_decrypt", [26] = "opendir", [27] = "closedir", [28] = "readdir", [29] = "mkdir",
    [30] = "rmdir", [31] = "stat", [32] = "ftrunc", [33] = "frename", [34] = "fopen_fd", [35] = "fclose_fd",
    [36] = "fopen_with_env_fd", },
  attributes = { [0] = "get", },
  process_control = { [0] = "attach", [1] = "release", [4] = "mmap", [5] = "munmap", [6] = "create", [7] = "create_attr",
    [8] = "create_static", [10] = "mem_map", [11] = "mem_unmap", },
  remotectl = { [0] = "open", [1] = "close", [2] = "grow_heap", [3] = "set_param", },
  remotectl1 = { [0] = "open", [1] = "close", [2] = "grow_heap", [3] = "set_param", },
}
local ON_DSP = {
  [0] = { name = "remotectl", methods = "remotectl", handle64 = false },
  [1] = { name = "process_control", methods = "process_control", handle64 = false },
  [2] = { name = "attributes", methods = "attributes", handle64 = false },
  [3] = { name = "adsp_listener", methods = "adsp_listener", handle64 = false },
  [4] = { name = "adsp_current_process1", methods = "adsp_current_process1", handle64 = true },
  [5] = { name = "adspmsgd_adsp1", methods = "adspmsgd_adsp1", handle64 = true },
  [6] = { name = "adsp_perf", methods = "adsp_perf", handle64 = false },
  [7] = { name = "adsp_listener1", methods = "adsp_listener1", handle64 = true },
  [8] = { name = "remotectl1", methods = "remotectl1", handle64 = true },
  [9] = { name = "adsp_perf1", methods = "adsp_perf1", handle64 = true },
}
local BY_NAME = {
  apps_remotectl = { methods = "apps_remotectl", handle64 = false },
  apps_std = { methods = "apps_std", handle64 = false },
  apps_mem = { methods = "apps_mem", handle64 = false },
  adspmsgd_apps = { methods = "adspmsgd_apps", handle64 = false },
  adsp_default_listener = { methods = "adsp_default_listener", handle64 = false },
  adsp_default_listener1 = { methods = "adsp_default_listener1", handle64 = true },
  adsp_current_process = { methods = "adsp_current_process", handle64 = false },
  adsp_current_process1 = { methods = "adsp_current_process1", handle64 = true },
  adspmsgd_adsp1 = { methods = "adspmsgd_adsp1", handle64 = true },
}
-- END NAMES

-- Fields -----------------------------------------------------------------------------------------------------------------

local f = {}
local function field(name, kind, title, base)
  f[name] = kind("vhx." .. name, title, base)
end
local text, u16, u32, u64 = ProtoField.string, ProtoField.uint16, ProtoField.uint32, ProtoField.uint64

field("dsp", text, "DSP")
field("kind", text, "Kind")
field("seq", u32, "Sequence number")
field("related", u32, "Belongs to packet")
field("direction", text, "Direction")
field("cut", ProtoField.bool, "Not all of it is kept")
field("about", text, "DSP as JSON")
field("state", text, "State")
field("crash", text, "Crash reason")
field("lost", u64, "Packets that are missing here")
field("glink.command", text, "Command")
field("glink.error", text, "Error")
field("glink.cid", u16, "Channel ID")
field("glink.channel", text, "Channel")
field("glink.version", u16, "Version")
field("glink.features", u32, "Features", base.HEX)
field("glink.priority", u16, "Priority")
field("glink.count", u32, "Intents")
field("glink.intent", u32, "Intent")
field("glink.size", u32, "Size")
field("glink.granted", u32, "Granted")
field("glink.length", u32, "Length")
field("glink.left", u32, "Bytes left")
field("glink.signals", u32, "Signals", base.HEX)
field("fastrpc.type", text, "Message")
field("fastrpc.ctx", u64, "Context", base.HEX)
field("fastrpc.client", u32, "Client")
field("fastrpc.tid", u32, "Thread")
field("fastrpc.handle", u32, "Handle", base.HEX)
field("fastrpc.interface", text, "Interface")
field("fastrpc.method", u32, "Method")
field("fastrpc.method_name", text, "Method name")
field("fastrpc.older", u32, "Older call of the same context without answer")
field("fastrpc.driver", text, "Driver")
field("fastrpc.qda_request", text, "QDA's request")
field("fastrpc.sc", u32, "Scalars", base.HEX)
field("fastrpc.ins", u32, "Input buffers")
field("fastrpc.outs", u32, "Output buffers")
field("fastrpc.in_handles", u32, "Input handles")
field("fastrpc.out_handles", u32, "Output handles")
field("fastrpc.sid", u32, "Session")
field("fastrpc.address", u64, "Invoke buffer", base.HEX)
field("fastrpc.size", u64, "Invoke buffer size")
field("fastrpc.retval", u32, "Return value", base.HEX)
field("fastrpc.request", u32, "Answers packet (sequence number)")
field("fastrpc.time", u64, "Response time in ns")
f["fastrpc.request_frame"] = ProtoField.framenum("vhx.fastrpc.request_frame", "Request", base.NONE, frametype.REQUEST)
f["fastrpc.answer_frame"] = ProtoField.framenum("vhx.fastrpc.answer_frame", "Answer", base.NONE, frametype.RESPONSE)
field("memory.role", text, "Role")
field("memory.argument", u16, "Argument")
field("memory.stream", u16, "Stream", base.HEX)
field("memory.address", u64, "Device address", base.HEX)
field("memory.length", u32, "Length")
field("memory.kept", u32, "Bytes kept")
field("memory.opens", text, "Opens")
field("memory.opened", u32, "Opened handle", base.HEX)
field("memory.process", text, "Process")
field("memory.data", ProtoField.bytes, "Bytes")
field("reverse.ctx", u32, "Reverse call")
field("reverse.handle", u32, "Handle on the AP", base.HEX)
field("reverse.interface", text, "Interface")
field("reverse.method", u32, "Method")
field("reverse.method_name", text, "Method name")
field("reverse.length", u32, "Length of the pack")
field("reverse.result", u32, "Result", base.HEX)
field("smp2p.word", u32, "Word", base.HEX)
field("smp2p.bits", text, "Bits")
field("write.stream", u16, "Stream", base.HEX)
field("write.address", u64, "Device address", base.HEX)
field("write.length", u32, "Length")
field("write.kept", u32, "Bytes kept")
field("poke.place", text, "Word")
field("poke.value", u32, "Value", base.HEX)
field("injected.what", text, "What")
field("injected.channel", u16, "Channel ID of the DSP")
field("injected.length", u32, "Length")
field("finding.kind", text, "Kind")
field("finding.text", text, "Finding")
field("thread.run", text, "Thread")
field("thread.id", u32, "DSP thread")
field("thread.ctx", u64, "Context", base.HEX)
field("thread.request", u32, "Request")

local list = {}
for _, value in pairs(f) do list[#list + 1] = value end
vhx.fields = list

local wrong = ProtoExpert.new("vhx.wrong", "This is no packet of a trace", expert.group.MALFORMED, expert.severity.ERROR)
vhx.experts = { wrong }

-- State: what later packets need of earlier ones. Made in the first pass; what a packet showed then is kept for when it is shown
-- again.

local dsps, shown, answered

function vhx.init()
  dsps, shown, answered = {}, {}, {}
end

local function new_dsp()
  return {
    sid_bit = 32, ap = {}, dsp = {}, handles = {}, listeners = {}, current = nil, qda = false,
    -- Of a channel's life: calls without answer by context, the newest last; what each DSP thread runs; clients that have created
    -- a process with a protection domain in the context.
    calls = {}, running = {}, created = {},
  }
end

-- A name in the guest's memory: up to its NUL, at most 48 bytes, ASCII.
local function plain(s)
  s = s:match("^[^%z]*"):sub(1, 48)
  return (s:gsub("[^\33-\126]", "?"))
end

local function module_name(uri)
  uri = uri:match("^[^%z]*")
  local name = uri:match("^[^?]*"):match("[^/]*$")
  name = name:gsub("%.so$", ""):gsub("_skel$", ""):gsub("^lib", "")
  return plain(name)
end

local function find_method(methods, handle64, number)
  if handle64 then
    if number == 0 then return "open" end
    if number == 1 then return "close" end
    number = number - 2
  end
  return methods[number]
end

local function method_name(handle, name, number)
  local fixed = handle and ON_DSP[handle]
  if fixed then return find_method(METHODS[fixed.methods], fixed.handle64, number) end
  local named = name and BY_NAME[name]
  if named then return find_method(METHODS[named.methods], named.handle64, number) end
end

local function call_name(call)
  local name = call.interface or string.format("0x%x", call.handle)
  return name .. "." .. (call.method_name or tostring(call.method))
end

-- Output: a list of {field, range, value} that is put into the tree.

local function out_add(out, name, range, value)
  out[#out + 1] = { f[name], range, value }
end

local function hex64(u) return "0x" .. u:tohex():gsub("^0+(.)", "%1"):lower() end

-- FastRPC's channel is closed: no call of before is answered any more.
local function closed(d)
  d.calls, d.running, d.created = {}, {}, {}
end

-- Requests that QDA makes of its own, by method: what a program asked for.
local QDA_REQUESTS = {
  [0] = "INIT_ATTACH", [1] = "close", [4] = "REMOTE_MAP legacy", [5] = "REMOTE_MUNMAP legacy",
  [6] = "REMOTE_SESSION_CREATE", [7] = "REMOTE_SESSION_CREATE", [10] = "REMOTE_MAP attr", [11] = "REMOTE_MUNMAP attr",
}

-- A client speaks: QDA has the protection domain in no request but the one that creates the process.
local function speaks(d, client, pd)
  if pd == 0 and d.created[client] then d.qda = true end
end

-- A request of the driver's own, for this client.
local function control(d, call, client)
  if call.handle ~= 1 or call.client ~= 0 or not client then return end
  if call.method == 6 or call.method == 7 then
    if call.pd ~= 0 then d.created[client] = true end
  elseif call.method == 0 then
    d.created[client] = nil
  else
    speaks(d, client, call.pd)
    if call.method == 1 then d.created[client] = nil end
  end
end

-- GLINK ------------------------------------------------------------------------------------------------------------------

local function called(out, call)
  out_add(out, "fastrpc.handle", nil, call.handle)
  if call.interface then out_add(out, "fastrpc.interface", nil, call.interface) end
  out_add(out, "fastrpc.method", nil, call.method)
  if call.method_name then out_add(out, "fastrpc.method_name", nil, call.method_name) end
end

local function request(d, p, buf, out)
  if buf:len() ~= 40 then
    out_add(out, "fastrpc.type", buf, "?")
    return "FastRPC message of " .. buf:len() .. " bytes"
  end
  local client = buf(0, 4):le_int()
  local sc = buf(20, 4):le_uint()
  local low, high = buf(24, 4):le_uint(), buf(28, 4):le_uint()
  local sid, address
  if d.sid_bit == 32 then
    sid, address = high, UInt64(low, 0)
  else
    sid, address = bit32.rshift(high, d.sid_bit - 32), UInt64(low, bit32.band(high, bit32.lshift(1, d.sid_bit - 32) - 1))
  end
  local call = {
    ctx = buf(8, 8):le_uint64():tohex(), client = client, tid = buf(4, 4):le_int(), handle = buf(16, 4):le_uint(),
    sid = sid, method = bit32.band(bit32.rshift(sc, 24), 31), sequence = p.seq, frame = p.frame, time = p.time,
    pd = bit32.band(buf(8, 1):uint(), 15),
  }
  local fixed = ON_DSP[call.handle]
  call.interface = fixed and fixed.name or d.handles[sid .. "/" .. client .. "/" .. call.handle]
  call.method_name = method_name(call.handle, call.interface, call.method)
  out_add(out, "fastrpc.type", buf, "request")
  out_add(out, "fastrpc.ctx", buf(8, 8), buf(8, 8):le_uint64())
  out_add(out, "fastrpc.client", buf(0, 4), buf(0, 4):le_uint())
  out_add(out, "fastrpc.tid", buf(4, 4), buf(4, 4):le_uint())
  called(out, call)
  local open = d.calls[call.ctx]
  if open then out_add(out, "fastrpc.older", nil, open[#open].sequence) end
  if client ~= 0 then speaks(d, client, call.pd) end
  if d.qda then
    out_add(out, "fastrpc.driver", nil, "qda")
    local asked = call.handle == 1 and QDA_REQUESTS[call.method]
    if asked then out_add(out, "fastrpc.qda_request", nil, asked) end
  end
  out_add(out, "fastrpc.sc", buf(20, 4), sc)
  out_add(out, "fastrpc.ins", buf(22, 1), bit32.band(bit32.rshift(sc, 16), 255))
  out_add(out, "fastrpc.outs", buf(21, 1), bit32.band(bit32.rshift(sc, 8), 255))
  out_add(out, "fastrpc.in_handles", buf(20, 1), bit32.band(bit32.rshift(sc, 4), 15))
  out_add(out, "fastrpc.out_handles", buf(20, 1), bit32.band(sc, 15))
  out_add(out, "fastrpc.sid", buf(24, 8), sid)
  out_add(out, "fastrpc.address", buf(24, 8), address)
  out_add(out, "fastrpc.size", buf(32, 8), buf(32, 8):le_uint64())
  open = open or {}
  open[#open + 1] = call
  d.calls[call.ctx] = open
  d.current = { sequence = p.seq, call = call }
  return string.format("%s ctx %s client %d thread %d", call_name(call), hex64(buf(8, 8):le_uint64()), client, call.tid)
end

local function answer(d, p, buf, out)
  if buf:len() < 16 then
    out_add(out, "fastrpc.type", buf, "?")
    return "FastRPC answer of " .. buf:len() .. " bytes"
  end
  local ctx, retval = buf(0, 8):le_uint64(), buf(8, 4):le_uint()
  out_add(out, "fastrpc.type", buf, "answer")
  out_add(out, "fastrpc.ctx", buf(0, 8), ctx)
  out_add(out, "fastrpc.retval", buf(8, 4), retval)
  -- It belongs to the newest call of the context that has no answer, as far as can be told.
  local open = d.calls[ctx:tohex()]
  local call = open and table.remove(open)
  local name = "a call that is not open"
  if call then
    if #open == 0 then d.calls[ctx:tohex()] = nil end
    call.answered = true
    name = call_name(call)
    out_add(out, "fastrpc.request", nil, call.sequence)
    out_add(out, "fastrpc.request_frame", nil, call.frame)
    -- Seconds since the run began as a number have no room for nanoseconds after some weeks; a run is shorter.
    out_add(out, "fastrpc.time", nil, UInt64.new(p.time - call.time))
    called(out, call)
    if #open > 0 then out_add(out, "fastrpc.older", nil, open[#open].sequence) end
    answered[call.frame] = p.frame
    d.current = { sequence = p.seq, call = call, retval = retval }
  end
  return string.format("%s ctx %s: answer 0x%x", name, hex64(ctx), retval)
end

local function glink(d, p, buf, out)
  local function unreadable(why)
    out_add(out, "glink.command", buf, "?")
    out_add(out, "glink.error", buf, why)
    return "unreadable GLINK command"
  end
  if buf:len() < 8 then return unreadable("too short") end
  local number, cid, param = buf(0, 2):le_uint(), buf(2, 2):le_uint(), buf(4, 4):le_uint()
  local command = COMMANDS[number]
  local to_dsp = p.direction == "to-dsp"
  local own, other = to_dsp and d.ap or d.dsp, to_dsp and d.dsp or d.ap
  if not command then return unreadable("unknown GLINK command " .. number) end
  local need = 8
  if command == "open" then
    need = 8 + bit32.band(param, 0xffff)
    if need == 8 or need > 40 then return unreadable("channel name") end
  elseif command == "intents" then
    if param > 256 then return unreadable("intents") end
    need = 8 + 8 * param
  elseif command == "tx-data" or command == "tx-data-cont" then
    need = 16
    if buf:len() >= 16 then need = 16 + buf(8, 4):le_uint() end
  end
  if buf:len() < need then return unreadable("too short") end
  if command == "open" and buf(need - 1, 1):uint() ~= 0 then return unreadable("channel name without NUL") end
  out_add(out, "glink.command", buf(0, 2), command)
  local function channel(names)
    out_add(out, "glink.cid", buf(2, 2), cid)
    if names[cid] then out_add(out, "glink.channel", nil, names[cid]) end
    return names[cid] or ("channel " .. cid)
  end
  local info = command
  if command == "version" or command == "version-ack" then
    out_add(out, "glink.version", buf(2, 2), cid)
    out_add(out, "glink.features", buf(4, 4), param)
  elseif command == "open" then
    own[cid] = buf(8, need - 9):string()
    info = "open " .. channel(own)
    out_add(out, "glink.priority", buf(6, 2), bit32.rshift(param, 16))
  elseif command == "close" or command == "intents" or command == "rx-intent-req" or command == "rx-intent-req-ack"
      or command == "rx-done" or command == "rx-done-reuse" or command == "signals" then
    info = command .. " " .. channel(own)
    if command == "close" and own[cid] == FASTRPC then closed(d) end
    if command == "intents" then out_add(out, "glink.count", buf(4, 4), param) end
    if command == "rx-intent-req" then out_add(out, "glink.size", buf(4, 4), param) end
    if command == "rx-intent-req-ack" then out_add(out, "glink.granted", buf(4, 4), param ~= 0 and 1 or 0) end
    if command == "rx-done" or command == "rx-done-reuse" then out_add(out, "glink.intent", buf(4, 4), param) end
    if command == "signals" then out_add(out, "glink.signals", buf(4, 4), param) end
  elseif command == "open-ack" or command == "close-ack" then
    info = command .. " " .. channel(other)
  elseif command == "tx-data" or command == "tx-data-cont" then
    info = command .. " " .. channel(own)
    local chunk, left = need - 16, buf(12, 4):le_uint()
    out_add(out, "glink.intent", buf(4, 4), param)
    out_add(out, "glink.length", buf(8, 4), chunk)
    out_add(out, "glink.left", buf(12, 4), left)
    if own[cid] == FASTRPC and command == "tx-data" and left == 0 and chunk > 0 then
      local data = buf(16, chunk)
      if to_dsp then return request(d, p, data, out) end
      return answer(d, p, data, out)
    end
  end
  return info
end

-- Memory -----------------------------------------------------------------------------------------------------------------

local function get32(s, at)
  if #s < at + 4 then return nil end
  local a, b, c, e = s:byte(at + 1, at + 4)
  return a + b * 256 + c * 65536 + e * 16777216
end

local function align8(at) return math.floor((at + 7) / 8) * 8 end

-- The two inputs of a packed open call: the second is the name.
local function packed_name(s)
  local first = get32(s, 0)
  if not first then return nil end
  local at = first > 0 and align8(4) + first or 4
  local second = get32(s, at)
  if not second then return nil end
  at = second > 0 and align8(at + 4) or at + 4
  if #s < at + second then return nil end
  return module_name(s:sub(at + 1, at + second))
end

local function listener(d, call, role, argument, retval, s, out)
  local key = call.sid .. "/" .. call.client
  local l = d.listeners[key]
  if not l then
    l = { handles = {} }
    d.listeners[key] = l
  end
  if role == "input" and argument == 0 then
    local ctx, result = get32(s, 0), get32(s, 4)
    if not ctx or not result or ctx == 0 then return nil end
    out_add(out, "reverse.ctx", nil, ctx)
    out_add(out, "reverse.result", nil, result)
    l.replied = result == 0
    local name = l.current and l.current.ctx == ctx and call_name(l.current) or "?"
    return string.format("replies %s (reverse call %d): 0x%x", name, ctx, result)
  elseif role == "input" and argument == 1 then
    local opens = l.opens
    l.opens = nil
    if opens and l.replied then
      local length, handle, err = get32(s, 0), get32(s, 8), get32(s, 12)
      if length and length >= 8 and handle and err == 0 then l.handles[handle] = opens end
    end
  elseif role == "output" and argument == 2 and retval == 0 then
    local ctx, handle, sc, length = get32(s, 0), get32(s, 4), get32(s, 8), get32(s, 12)
    if not length then return nil end
    local r = { ctx = ctx, handle = handle, method = bit32.band(bit32.rshift(sc, 24), 31) }
    r.interface = handle == 0 and "apps_remotectl" or l.handles[handle]
    r.method_name = method_name(nil, r.interface, r.method)
    out_add(out, "reverse.ctx", nil, ctx)
    out_add(out, "reverse.handle", nil, handle)
    if r.interface then out_add(out, "reverse.interface", nil, r.interface) end
    out_add(out, "reverse.method", nil, r.method)
    if r.method_name then out_add(out, "reverse.method_name", nil, r.method_name) end
    out_add(out, "reverse.length", nil, length)
    l.current, l.opens, l.replied = r, nil, false
    return string.format("calls the AP's %s (reverse call %d)", call_name(r), ctx)
  elseif role == "output" and argument == 3 and retval == 0 then
    if l.current and l.current.handle == 0 and l.current.method == 0 then l.opens = packed_name(s) end
  end
end

local function memory(d, p, buf, out)
  local role, argument = ROLES[buf(0, 1):uint()] or "?", buf(2, 2):le_uint()
  local kept = buf:len() - 24
  local s = kept > 0 and buf(24, kept):raw() or ""
  out_add(out, "memory.role", buf(0, 1), role)
  out_add(out, "memory.argument", buf(2, 2), argument)
  out_add(out, "memory.stream", buf(4, 2), buf(4, 2):le_uint())
  out_add(out, "memory.address", buf(8, 8), buf(8, 8):le_uint64())
  out_add(out, "memory.length", buf(16, 4), buf(16, 4):le_uint())
  out_add(out, "memory.kept", nil, kept)
  if kept > 0 then out_add(out, "memory.data", buf(24, kept)) end
  local info = string.format("  %s %d: %d bytes", role, argument, buf(16, 4):le_uint())
  local now = d.current
  if not now or now.sequence ~= p.related then return info end
  local call, retval = now.call, now.retval
  local what = call.interface or ""
  if role == "input" and argument == 0 then control(d, call, kept >= 4 and buf(24, 4):le_int() or nil) end
  if (what == "remotectl" or what == "remotectl1") and call.method_name == "open" then
    if role == "input" and argument == 1 and not retval then
      local name = module_name(s)
      out_add(out, "memory.opens", nil, name)
      call.opening = name
    elseif role == "output" and argument == 2 and retval == 0 then
      local name = call.opening
      local handle, err = get32(s, 0), get32(s, 4)
      if name and handle and err == 0 then
        out_add(out, "memory.opened", nil, handle)
        d.handles[call.sid .. "/" .. call.client .. "/" .. handle] = name
      end
    end
  elseif what == "process_control" and (call.method_name or ""):match("^create") then
    if role == "input" and argument == 1 then out_add(out, "memory.process", nil, plain(s)) end
  elseif (what == "adsp_listener" or what == "adsp_listener1") and call.method_name == "get_in_bufs2" then
    local l = d.listeners[call.sid .. "/" .. call.client]
    if l and role == "input" and argument == 0 then
      l.fetches = get32(s, 4) == 0
    elseif l and role == "output" and argument == 2 and retval == 0 then
      if l.fetches and l.current and l.current.handle == 0 and l.current.method == 0 then l.opens = packed_name(s) end
      l.fetches = false
    end
  elseif (what == "adsp_listener" or what == "adsp_listener1") and call.method_name == NEXT2 then
    local more = listener(d, call, role, argument, retval, s, out)
    if more then info = "  " .. more end
  end
  return info
end

-- Everything else --------------------------------------------------------------------------------------------------------

local function bits(direction, word)
  local names = direction == "to-dsp" and { { 1, "stop" } }
    or { { 1, "fatal" }, { 2, "ready" }, { 4, "handover" }, { 8, "stop-ack" } }
  local set = {}
  for _, entry in ipairs(names) do
    if bit32.band(word, entry[1]) ~= 0 then set[#set + 1] = entry[2] end
  end
  return table.concat(set, " ")
end

local OTHERS = {
  about = function(d, p, buf, out)
    local json = buf:len() > 0 and buf():string() or ""
    out_add(out, "about", buf, json)
    dsps[p.dsp] = new_dsp()
    dsps[p.dsp].sid_bit = tonumber(json:match('"sid_bit":(%d+)') or "32")
    return "about this DSP"
  end,
  glink = glink,
  memory = memory,
  smp2p = function(_, p, buf, out)
    local word = buf(0, 4):le_uint()
    out_add(out, "smp2p.word", buf(0, 4), word)
    out_add(out, "smp2p.bits", nil, bits(p.direction, word))
    return string.format("SMP2P 0x%x %s", word, bits(p.direction, word))
  end,
  state = function(_, _, buf, out)
    local state = STATES[buf(0, 4):le_uint()] or "?"
    out_add(out, "state", buf(0, 4), state)
    return "DSP " .. state
  end,
  crash = function(_, _, buf, out)
    local reason = buf:len() > 0 and buf():string() or ""
    out_add(out, "crash", buf, reason)
    return "crash: " .. reason
  end,
  interrupt = function() return "interrupt" end,
  write = function(_, _, buf, out)
    out_add(out, "write.stream", buf(0, 2), buf(0, 2):le_uint())
    out_add(out, "write.address", buf(8, 8), buf(8, 8):le_uint64())
    out_add(out, "write.length", buf(4, 4), buf(4, 4):le_uint())
    out_add(out, "write.kept", nil, buf:len() - 16)
    return string.format("writes %d bytes at %s", buf(4, 4):le_uint(), hex64(buf(8, 8):le_uint64()))
  end,
  poke = function(_, _, buf, out)
    local place = PLACES[buf(0, 4):le_uint()] or "?"
    out_add(out, "poke.place", buf(0, 4), place)
    out_add(out, "poke.value", buf(4, 4), buf(4, 4):le_uint())
    return string.format("%s = 0x%x", place, buf(4, 4):le_uint())
  end,
  injected = function(_, _, buf, out)
    local what = INJECTED[buf(0, 2):le_uint()] or "?"
    out_add(out, "injected.what", buf(0, 2), what)
    if what == "message" then out_add(out, "injected.channel", buf(2, 2), buf(2, 2):le_uint()) end
    out_add(out, "injected.length", nil, buf:len() - 4)
    return "a scenario has the DSP receive: " .. what
  end,
  finding = function(_, _, buf, out)
    local raw = buf:len() > 0 and buf:raw() or ""
    local kind, sentence = raw:match("^([^%z]*)%z([^%z]*)")
    out_add(out, "finding.kind", nil, kind or raw)
    out_add(out, "finding.text", nil, sentence or "")
    return "account: " .. (sentence or raw)
  end,
  lost = function(d, _, buf, out)
    out_add(out, "lost", buf(0, 8), buf(0, 8):le_uint64())
    d.current = nil
    return "packets are missing here"
  end,
  thread = function(d, _, buf, out)
    local run, thread = RUNS[buf(0, 4):le_uint()] or "?", buf(4, 4):le_uint()
    local call
    if run == "begins" then
      -- Of the calls of this context the newest that no thread has begun.
      local open = d.calls[buf(8, 8):le_uint64():tohex()] or {}
      for i = #open, 1, -1 do
        if not open[i].begun then
          call = open[i]
          break
        end
      end
      if call then
        call.begun = true
        d.running[thread] = call
      end
    else
      call = d.running[thread]
      d.running[thread] = nil
    end
    out_add(out, "thread.run", buf(0, 4), run)
    out_add(out, "thread.id", buf(4, 4), thread)
    out_add(out, "thread.ctx", buf(8, 8), buf(8, 8):le_uint64())
    if call and not call.answered then out_add(out, "thread.request", nil, call.sequence) end
    return string.format("DSP thread %d %s ctx %s", thread, run, hex64(buf(8, 8):le_uint64()))
  end,
}
-- Bytes that a kind has at least.
local LEAST = { memory = 24, smp2p = 4, state = 4, write = 16, poke = 8, injected = 4, lost = 8, thread = 16 }

-- Time as a whole number of nanoseconds.
local function nanoseconds(pinfo)
  local t = pinfo.abs_ts
  local whole = math.floor(t)
  return whole * 1000000000 + math.floor((t - whole) * 1000000000 + 0.5)
end

function vhx.dissector(tvb, pinfo, tree)
  local item = tree:add(vhx, tvb())
  pinfo.cols.protocol = "VHX"
  if tvb:len() < 16 or tvb(0, 1):uint() ~= 1 or not KINDS[tvb(1, 1):uint()] then
    item:add_proto_expert_info(wrong)
    return tvb:len()
  end
  local p = {
    kind = KINDS[tvb(1, 1):uint()], direction = DIRECTIONS[tvb(2, 1):uint()], dsp = tvb(3, 1):uint(),
    seq = tvb(4, 4):le_uint(), related = tvb(8, 4):le_uint(), frame = pinfo.number, time = nanoseconds(pinfo),
  }
  local body = tvb:len() > 16 and tvb(16) or tvb(16, 0)
  if body:len() < (LEAST[p.kind] or 0) then
    item:add_proto_expert_info(wrong)
    return tvb:len()
  end
  local kept = shown[pinfo.number]
  if not kept then
    dsps[p.dsp] = dsps[p.dsp] or new_dsp()
    local out = {}
    local info = OTHERS[p.kind](dsps[p.dsp], p, body, out)
    -- Ranges belong to this buffer only; when the packet is shown again, they are made anew from their places.
    kept = { info = info, out = {} }
    for i, entry in ipairs(out) do
      local range = entry[2]
      kept.out[i] = { entry[1], range and range:offset() or nil, range and range:len() or nil, entry[3] }
    end
    shown[pinfo.number] = kept
  end
  local arrow = p.direction == "to-dsp" and "> " or p.direction == "to-ap" and "< " or ""
  pinfo.cols.info = arrow .. kept.info
  pinfo.cols.src = p.direction == "to-dsp" and "AP" or "DSP " .. p.dsp
  pinfo.cols.dst = p.direction == "to-ap" and "AP" or "DSP " .. p.dsp
  item:append_text(": " .. kept.info)
  item:add(f.kind, tvb(1, 1), p.kind)
  item:add(f.seq, tvb(4, 4), p.seq)
  if p.related ~= 0 then item:add(f.related, tvb(8, 4), p.related) end
  if p.direction then item:add(f.direction, tvb(2, 1), p.direction) end
  if tvb(12, 1):uint() % 2 == 1 then item:add(f.cut, tvb(12, 1), true) end
  for _, entry in ipairs(kept.out) do
    local range = entry[2] and tvb(entry[2], entry[3])
    local added
    if range and entry[4] == nil then
      added = item:add(entry[1], range)
    elseif range then
      added = item:add(entry[1], range, entry[4])
    else
      added = item:add(entry[1], entry[4])
      added:set_generated()
    end
  end
  if answered[pinfo.number] then
    item:add(f["fastrpc.answer_frame"], answered[pinfo.number]):set_generated()
  end
  return tvb:len()
end

DissectorTable.get("wtap_encap"):add(wtap.USER0, vhx)
