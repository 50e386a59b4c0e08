-- Refuses a REST request with a field that the contract doesn't have, or that is given twice: the
-- transcoder would drop the one silently, and take either of the other. A misspelt instruction of
-- an order would be no instruction at all, and cash meant for the account in the path be set for
-- the one in the body. Also types what the services' gRPC library refuses before a service sees it.
--
-- Before this text stand the generated tables: ROUTES (verb, pattern of a path, fields that it
-- gives, message of its body or false), MESSAGES (field name to the message that it holds, or to false
-- where nothing below is checked) and LIBRARY_REFUSALS (pattern of the library's text, status,
-- message, details).

local DEPTH_MAX = 64
local QUOTE = 34
local ANSWER_BYTES_MAX = 8192
local NO_MESSAGE = '"message":""'
local BAD_PATH = "the path has a fragment, or an escape that it may not have"
local UNKNOWN = "the contract has no field "
local TWICE = "one request gives twice the field "
local NO_QUERY = "a request with a body takes no query, but has "
local value

local function skip_blanks(text, at)
  return string.find(text, "[^ \t\r\n]", at) or #text + 1
end

-- The index of the quote that ends the string beginning at `at`; nil if none does.
local function string_end(text, at)
  local from = at + 1
  while true do
    local found = string.find(text, '["\\]', from)
    if not found then
      return nil
    end
    if string.byte(text, found) == QUOTE then
      return found
    end
    from = found + 2
  end
end

-- One name for both spellings of a field: clientOrderId and client_order_id are one.
local function plain(name)
  return string.lower((string.gsub(name, "_", "")))
end

-- Index behind an object, or nil for what is no JSON (which the transcoder refuses), the path of
-- the first field that is unknown or there twice, and what is wrong with it. `seen` has the names
-- that were given elsewhere.
local function object(text, at, message, path, depth, seen)
  local fields = MESSAGES[message]
  at = skip_blanks(text, at + 1)
  if string.sub(text, at, at) == "}" then
    return at + 1
  end
  while true do
    local last = string.byte(text, at) == QUOTE and string_end(text, at)
    if not last then
      return nil
    end
    local key = string.sub(text, at + 1, last - 1)
    local below = path == "" and key or path .. "." .. key
    local child = fields and fields[key]
    if fields and child == nil then
      return nil, below, UNKNOWN
    end
    if fields then
      local name = plain(key)
      if seen[name] then
        return nil, below, TWICE
      end
      seen[name] = true
    end
    at = skip_blanks(text, last + 1)
    if string.sub(text, at, at) ~= ":" then
      return nil
    end
    local next_at, field, why = value(text, at + 1, child, below, depth, {})
    if not next_at then
      return nil, field, why
    end
    at = skip_blanks(text, next_at)
    local mark = string.sub(text, at, at)
    if mark == "}" then
      return at + 1
    elseif mark ~= "," then
      return nil
    end
    at = skip_blanks(text, at + 1)
  end
end

local function array(text, at, message, path, depth)
  at = skip_blanks(text, at + 1)
  if string.sub(text, at, at) == "]" then
    return at + 1
  end
  local index = 0
  while true do
    local next_at, field, why = value(text, at, message, path .. "[" .. index .. "]", depth, {})
    if not next_at then
      return nil, field, why
    end
    at = skip_blanks(text, next_at)
    local mark = string.sub(text, at, at)
    if mark == "]" then
      return at + 1
    elseif mark ~= "," then
      return nil
    end
    at = at + 1
    index = index + 1
  end
end

function value(text, at, message, path, depth, seen)
  if depth == DEPTH_MAX then
    return nil
  end
  at = skip_blanks(text, at)
  local first = string.sub(text, at, at)
  if first == '"' then
    local last = string_end(text, at)
    return last and last + 1
  elseif first == "{" then
    return object(text, at, message, path, depth + 1, seen)
  elseif first == "[" then
    return array(text, at, message, path, depth + 1)
  end
  local _, last = string.find(text, "^[%w%.%+%-]+", at)
  return last and last + 1
end

local function route_of(verb, path)
  for _, route in ipairs(ROUTES) do
    if route[1] == verb and string.find(path, route[2]) then
      return route
    end
  end
end

-- The first field of a query that stands beside a body, or that the path gives already, and what
-- is wrong with it.
local function wrong_in_query(query, route)
  for pair in string.gmatch(query, "[^&]+") do
    local name = string.gsub(string.match(pair, "^[^=]*"), "%%(%x%x)", function(digits)
      return string.char(tonumber(digits, 16))
    end)
    if route[4] then
      return name, NO_QUERY
    elseif route[3][plain(name)] then
      return name, TWICE
    end
  end
end

-- The local reply takes the field from here and makes the typed error of it.
local function refuse(handle, field, why)
  field = string.gsub(string.sub(field, 1, 128), "[^ -~]", "?")
  handle:streamInfo():dynamicMetadata():set("tradecaptain", "refused_field", field)
  handle:respond({[":status"] = "400"}, why .. field)
end

function envoy_on_request(handle)
  local headers = handle:headers()
  if string.find(headers:get("content-type") or "", "^application/grpc") then
    return
  end
  local path, query = string.match(headers:get(":path"), "^([^?]*)%??(.*)$")
  local route = route_of(headers:get(":method"), path)
  if not route then
    return
  end
  local field, why = wrong_in_query(query, route)
  if field then
    return refuse(handle, field, why)
  end
  local body = route[4] and handle:body()
  if not body or body:length() == 0 then
    return
  end
  local given = {}
  for name in pairs(route[3]) do
    given[name] = true
  end
  local _, wrong, reason = value(body:getBytes(0, body:length()), 1, route[4], "", 0, given)
  if wrong then
    refuse(handle, wrong, reason)
  end
end

-- What the gRPC library of a service refuses by itself (a method that isn't there, a message that
-- can't be unpacked) comes without a typed detail, mostly as an internal fault.
local function type_refusal(headers)
  local text = headers:get("grpc-message") or ""
  for _, refusal in ipairs(LIBRARY_REFUSALS) do
    if string.find(text, refusal[1]) then
      headers:replace("grpc-status", refusal[2])
      headers:replace("grpc-message", refusal[3])
      headers:replace("grpc-status-details-bin", refusal[4])
      return
    end
  end
end

-- The transcoder's own refusals name the field at the head of their text alone; it belongs into the
-- typed detail as well. Of a path that can't be normalised Envoy says nothing at all.
function envoy_on_response(handle)
  local headers = handle:headers()
  local code = headers:get("grpc-status")
  if code and code ~= "0" and not headers:get("grpc-status-details-bin") then
    return type_refusal(headers)
  elseif headers:get(":status") ~= "400" then
    return
  end
  local kind = headers:get("content-type") or ""
  local body = kind == "application/json" and handle:body()
  if not body or body:length() == 0 or body:length() > ANSWER_BYTES_MAX then
    return
  end
  local text = body:getBytes(0, body:length())
  local field = string.match(text, '"field":"","message":"([%w_%.%[%]]+): ')
    or string.match(text, '"field":"","message":"Could not find field \\"([%w_%.]+)\\"')
  if field then
    handle:body():setBytes((string.gsub(text, '"field":""', '"field":"' .. field .. '"', 1)))
  elseif string.find(text, NO_MESSAGE, 1, true) then
    handle:body():setBytes((string.gsub(text, NO_MESSAGE, '"message":"' .. BAD_PATH .. '"')))
  end
end
