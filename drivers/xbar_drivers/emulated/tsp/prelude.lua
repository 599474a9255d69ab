-- The sandbox of one instrument: what scripts may see of Lua, and the tree of the instrument's attributes.
-- Called with: host, the only way out (a request to the server); emit, which takes printed text; specs, the tree.
-- Returns: run(code, name, format), define(name, code), and nothing else stays reachable from scripts but _G.
local host, emit, specs = ...

local type, tostring, tonumber, pairs, ipairs, pcall, error, select, unpack, setmetatable, rawget, rawset, next =
  type, tostring, tonumber, pairs, ipairs, pcall, error, select, unpack, setmetatable, rawget, rawset, next
local loadstring, collectgarbage, format, sub, byte, find, match, concat =
  loadstring, collectgarbage, string.format, string.sub, string.byte, string.find, string.match, table.concat
local load = load

-- What scripts must not have: files, processes, other Lua code in binary form, and the bridge to the host.
for _, name in ipairs({
  "os", "io", "debug", "package", "require", "module", "python", "dofile", "loadfile", "newproxy", "getfenv", "setfenv",
}) do
  _G[name] = nil
end
string.dump = nil

local function text_only(code)
  return type(code) == "string" and byte(code) ~= 27
end

local raw_loadstring = loadstring
function _G.loadstring(code, name)
  if not text_only(code) then return nil, "only source text can be loaded" end
  return raw_loadstring(code, name)
end

function _G.load(read, name)
  local parts = {}
  while true do
    local part = read()
    if part == nil or part == "" then break end
    if type(part) ~= "string" then return nil, "reader function must return a string" end
    parts[#parts + 1] = part
  end
  return _G.loadstring(concat(parts), name)
end

function _G.collectgarbage()
  collectgarbage("collect")
  return 0
end

-- Lua 5.1 does not collect when an allocation fails: it must stay well ahead of the limit.
collectgarbage("setpause", 150)
collectgarbage("setstepmul", 400)

-- Errors of the instrument travel as Lua errors with their text; their number is kept beside it.
local last_text, last_code
local number_format = "%.5e"
local handles = setmetatable({}, { __mode = "k" })
local make

local function to_host(value)
  local kind = type(value)
  if kind == "table" then
    local handle = handles[value]
    if handle then return { object = true, node = handle[1], id = handle[2] } end
    return value
  end
  if kind == "function" or kind == "userdata" or kind == "thread" then
    error("a " .. kind .. " is not a value of an attribute", 0)
  end
  return value
end

local function from_host(node, ok, ...)
  if not ok then
    local code, text = ...
    last_code, last_text = code, text
    error(text, 0)
  end
  local first = ...
  if type(first) == "table" then
    if first.spec then return make(node, first.spec, first.id) end
    return first
  end
  return ...
end

local function call(kind, node, id, name, ...)
  local n = select("#", ...)
  if n == 0 then return from_host(node, host(kind, node, id, name)) end
  if n == 1 then return from_host(node, host(kind, node, id, name, to_host((...)))) end
  local values = { ... }
  for i = 1, n do
    if values[i] ~= nil then values[i] = to_host(values[i]) end
  end
  return from_host(node, host(kind, node, id, name, unpack(values, 1, n)))
end

local function build(node, tree)
  local made = {}
  local function object(id)
    if not made[id] then
      local spec = tree[id]
      made[id] = {}
      make(node, spec, id, made[id], object)
    end
    return made[id]
  end
  return object
end

function make(node, spec, id, proxy, object)
  proxy = proxy or {}
  local getters, setters, objects = {}, {}, {}
  for _, name in ipairs(spec.getters) do
    getters[name] = function() return call("get", node, id, name) end
  end
  for _, name in ipairs(spec.setters) do
    setters[name] = function(value)
      call("set", node, id, name, value)
      if name == "asciiprecision" then number_format = host("format") end
    end
  end
  for _, name in ipairs(spec.functions) do
    objects[name] = function(...) return call("call", node, id, name, ...) end
  end
  for name, value in pairs(spec.constants) do objects[name] = value end
  for name, child in pairs(spec.objects) do
    if type(child) == "table" then
      objects[name] = make(node, child.spec, child.id)
    else
      objects[name] = object(child)
    end
  end
  for index, child in ipairs(spec.elements) do objects[index] = object(child) end
  local indexed, assigned = spec.indexed, spec.assigned
  handles[proxy] = { node, id }
  return setmetatable(proxy, {
    Getters = getters,
    Setters = setters,
    Objects = objects,
    luatype = spec.luatype,
    __index = function(_, name)
      local found = objects[name]
      if found ~= nil then return found end
      local getter = getters[name]
      if getter then return getter() end
      if indexed and type(name) == "number" then return call("item", node, id, name) end
      return nil
    end,
    __newindex = function(_, name, value)
      local setter = setters[name]
      if setter then return setter(value) end
      if assigned and type(name) == "number" then return call("put", node, id, name, value) end
      if objects[name] ~= nil or getters[name] then error("attribute " .. tostring(name) .. " is read only", 0) end
      error("attribute " .. tostring(name) .. " does not exist", 0)
    end,
  })
end

-- The root of the local node lies in the globals; other nodes of the link are reached as node[n].
local root = build(0, specs)(1)
for name, value in pairs(getmetatable(root).Objects) do _G[name] = value end
local others = {}
_G.node = setmetatable({}, {
  __index = function(_, n)
    if type(n) ~= "number" then return nil end
    local number, tree = host("node", n)
    if not number then error(tree, 0) end
    if number == 0 then return root end
    if not others[n] then others[n] = build(n, tree)(1) end
    return others[n]
  end,
  __newindex = function() error("node is read only", 0) end,
})

-- Output: numbers in the format that the instrument is set to, values separated by tabs, one line for each print.
local function shown(value)
  local kind = type(value)
  if kind == "number" then
    if value ~= value then return "nan" end
    if number_format == "" then return format("%.14g", value) end
    return format(number_format, value)
  end
  if kind == "string" then return value end
  if kind == "table" and handles[value] then
    -- Scripts may give tables a __tostring; the instrument's own objects show as plain tables.
    return tostring(value)
  end
  return tostring(value)
end

function _G.print(...)
  local values = {}
  for i = 1, select("#", ...) do values[i] = shown((select(i, ...))) end
  emit(concat(values, "\t") .. "\n")
end

function _G.printnumber(...)
  local values = {}
  for i = 1, select("#", ...) do values[i] = shown(tonumber((select(i, ...)))) end
  emit(concat(values, ", ") .. "\n")
end

function _G.printbuffer(...)
  emit(call("call", 0, 1, "__printbuffer", ...))
end

-- Scripts by name: an object that can be called.
local scripts = {}
local function define(name, code)
  local run, message = raw_loadstring(code, "=TSP")
  if not run then return false, message end
  local script = { run = run, source = code, name = name }
  script.save = function() end
  script.list = function() emit(code) end
  scripts[name] = setmetatable(script, { __call = run })
  if name ~= "" then _G[name] = script end
  return true
end

_G.script = {
  anonymous = nil,
  user = { scripts = scripts },
  new = function(code, name)
    if not text_only(code) then error("only source text can be loaded", 2) end
    local ok, message = define(name or "", code)
    if not ok then error(message, 2) end
    return scripts[name or ""]
  end,
  delete = function(name)
    scripts[name] = nil
    _G[name] = nil
  end,
}
_G.script.load = _G.script.new

local function failure(message, code)
  if type(message) == "string" and message == last_text and last_code ~= code then return last_code, message end
  message = type(message) == "string" and message or "error object is not a string"
  local line, rest = match(message, "^TSP:(%d+): (.*)$")
  local what = code == -285 and "Syntax" or "Runtime"
  return code, format("TSP %s error at line %s: %s", what, line or "1", rest or message)
end

local function finish(ok, message)
  if ok then return nil end
  if message == "not enough memory" then collectgarbage("collect") end
  return failure(message, -286)
end

local function run(code, shape)
  last_text, last_code = nil, 0
  number_format = shape
  if not text_only(code) then return -285, "TSP Syntax error at line 1: binary code" end
  local chunk, message = raw_loadstring(code, "=TSP")
  if not chunk then return failure(message, -285) end
  return finish(pcall(chunk))
end

local function run_script(name, code, execute, shape)
  last_text, last_code = nil, 0
  number_format = shape
  if not text_only(code) then return -285, "TSP Syntax error at line 1: binary code" end
  local ok, message = define(name, code)
  if not ok then return failure(message, -285) end
  if name == "" then _G.script.anonymous = scripts[""] end
  if not execute then return nil end
  return finish(pcall(scripts[name].run))
end

return run, run_script
