-- Refuses a REST body with a field that the contract doesn't have: the transcoder would drop it
-- silently, and a misspelt instruction of an order would be no instruction at all.
--
-- Before this text stand the generated tables: ROUTES (pattern of a path, message of its body) and
-- MESSAGES (field name to the message that it holds, or to false where nothing below is checked).

local DEPTH_MAX = 64
local QUOTE = 34
local ANSWER_BYTES_MAX = 8192
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

-- Index behind an object, or nil for what is no JSON (which the transcoder refuses), and the path
-- of the first field that is unknown.
local function object(text, at, message, path, depth)
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
      return nil, below
    end
    at = skip_blanks(text, last + 1)
    if string.sub(text, at, at) ~= ":" then
      return nil
    end
    local next_at, unknown = value(text, at + 1, child, below, depth)
    if not next_at then
      return nil, unknown
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
    local next_at, unknown = value(text, at, message, path .. "[" .. index .. "]", depth)
    if not next_at then
      return nil, unknown
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

function value(text, at, message, path, depth)
  if depth == DEPTH_MAX then
    return nil
  end
  at = skip_blanks(text, at)
  local first = string.sub(text, at, at)
  if first == '"' then
    local last = string_end(text, at)
    return last and last + 1
  elseif first == "{" then
    return object(text, at, message, path, depth + 1)
  elseif first == "[" then
    return array(text, at, message, path, depth + 1)
  end
  local _, last = string.find(text, "^[%w%.%+%-]+", at)
  return last and last + 1
end

local function message_of(path)
  path = string.gsub(path, "%?.*", "")
  for _, route in ipairs(ROUTES) do
    if string.find(path, route[1]) then
      return route[2]
    end
  end
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local kind = headers:get("content-type") or ""
  if headers:get(":method") ~= "POST" or string.find(kind, "^application/grpc") then
    return
  end
  local message = message_of(headers:get(":path"))
  local body = message and handle:body()
  if not body or body:length() == 0 then
    return
  end
  local _, unknown = value(body:getBytes(0, body:length()), 1, message, "", 0)
  if unknown then
    -- The local reply takes the field from here and makes the typed error of it.
    local field = string.gsub(string.sub(unknown, 1, 128), "[^ -~]", "?")
    handle:streamInfo():dynamicMetadata():set("tradecaptain", "unknown_field", field)
    handle:respond({[":status"] = "400"}, "the contract has no field " .. field)
  end
end

-- The transcoder's own refusals name the field at the head of their text alone; it belongs into the
-- typed detail as well.
function envoy_on_response(handle)
  if handle:headers():get(":status") ~= "400" then
    return
  end
  local kind = handle:headers():get("content-type") or ""
  local body = kind == "application/json" and handle:body()
  if not body or body:length() == 0 or body:length() > ANSWER_BYTES_MAX then
    return
  end
  local text = body:getBytes(0, body:length())
  local field = string.match(text, '"field":"","message":"([%w_%.%[%]]+): ')
    or string.match(text, '"field":"","message":"Could not find field \\"([%w_%.]+)\\"')
  if field then
    handle:body():setBytes((string.gsub(text, '"field":""', '"field":"' .. field .. '"', 1)))
  end
end
