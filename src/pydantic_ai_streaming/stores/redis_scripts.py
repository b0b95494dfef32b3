"""The Lua scripts of `RedisConversationStore`. Each is given the prefix as its only key.

PREFIX:version            the version of this layout
PREFIX:records            hash: conversation -> its record, as JSON
PREFIX:states             hash: conversation -> revision, token, scope and tips, as JSON, for the scripts
PREFIX:newest             sorted set: conversation by microseconds since 1970; PREFIX:newest=SCOPE for each scope
PREFIX:messages           hash: entry -> its message, as JSON
PREFIX:parents            hash: entry -> the entry before it, or ''
PREFIX:uses               hash: entry -> how many entries follow it and how many tips are it
PREFIX:turns              hash: conversation -> its journalled turn, as JSON
PREFIX:turn-states        hash: conversation -> id of that turn and seconds since 1970, as JSON
"""

from __future__ import annotations

__all__ = ['CLEAR_TURN', 'DELETE', 'LINE', 'OPEN', 'RECORDS', 'TURN', 'VERSION', 'WRITE', 'WRITE_TURN']

VERSION = 1
"""The version of the layout."""

OPEN = """
redis.call('SET', KEYS[1] .. ':version', ARGV[1], 'NX')
return tonumber(redis.call('GET', KEYS[1] .. ':version'))
"""

RECORDS = """
local found = {}
for _, id in ipairs(redis.call('ZREVRANGE', KEYS[1] .. ':newest' .. ARGV[1], 0, ARGV[2])) do
    found[#found + 1] = redis.call('HGET', KEYS[1] .. ':records', id)
end
return found
"""

LINE = """
local id, limit, found, count = ARGV[1], tonumber(ARGV[2]), {}, 0
while id ~= '' and count ~= limit do
    local message = redis.call('HGET', KEYS[1] .. ':messages', id)
    if not message then break end
    local parent = redis.call('HGET', KEYS[1] .. ':parents', id)
    found[#found + 1], found[#found + 2], found[#found + 3] = id, parent, message
    id, count = parent, count + 1
end
return found
"""

# conversation, expected revision, revision, token, scope, updated_at, head, record, number of tips, tips,
# then id, parent and message of each new entry
WRITE = """
local p, id, revision, token, scope = KEYS[1], ARGV[1], ARGV[3], ARGV[4], ARGV[5]
local head, first = ARGV[7], 10 + tonumber(ARGV[9])
local text = redis.call('HGET', p .. ':states', id)
local state = text and cjson.decode(text) or {revision = '', token = '', scope = '', tips = {}}
if state.token == token then return 1 end
if state.revision ~= ARGV[2] then return 0 end
local has_head = head == '' or redis.call('HEXISTS', p .. ':messages', head) == 1
for i = first, #ARGV, 3 do has_head = has_head or ARGV[i] == head end
if not has_head then return 0 end

for i = first, #ARGV, 3 do
    local before = redis.call('HGET', p .. ':parents', ARGV[i])
    if before and before ~= '' then redis.call('HINCRBY', p .. ':uses', before, -1) end
    if ARGV[i + 1] ~= '' then redis.call('HINCRBY', p .. ':uses', ARGV[i + 1], 1) end
    redis.call('HSET', p .. ':parents', ARGV[i], ARGV[i + 1])
    redis.call('HSET', p .. ':messages', ARGV[i], ARGV[i + 2])
end
local tips = {}
for i = 10, first - 1 do
    tips[#tips + 1] = ARGV[i]
    redis.call('HINCRBY', p .. ':uses', ARGV[i], 1)
end
for _, tip in ipairs(state.tips) do redis.call('HINCRBY', p .. ':uses', tip, -1) end
if state.scope ~= scope and state.scope ~= '' then redis.call('ZREM', p .. ':newest' .. state.scope, id) end
redis.call('ZADD', p .. ':newest', ARGV[6], id)
if scope ~= '' then redis.call('ZADD', p .. ':newest' .. scope, ARGV[6], id) end
redis.call('HSET', p .. ':records', id, ARGV[8])
redis.call('HSET', p .. ':states', id, cjson.encode({revision = revision, token = token, scope = scope, tips = tips}))
return 1
"""

# conversation, expected revision
DELETE = """
local p, id = KEYS[1], ARGV[1]
local text = redis.call('HGET', p .. ':states', id)
if not text then return 0 end
local state = cjson.decode(text)
if state.revision ~= ARGV[2] then return 0 end
redis.call('HDEL', p .. ':records', id)
redis.call('HDEL', p .. ':states', id)
redis.call('ZREM', p .. ':newest', id)
if state.scope ~= '' then redis.call('ZREM', p .. ':newest' .. state.scope, id) end
for _, tip in ipairs(state.tips) do
    while tip and tip ~= '' and redis.call('HINCRBY', p .. ':uses', tip, -1) < 1 do
        local parent = redis.call('HGET', p .. ':parents', tip)
        redis.call('HDEL', p .. ':messages', tip)
        redis.call('HDEL', p .. ':parents', tip)
        redis.call('HDEL', p .. ':uses', tip)
        tip = parent
    end
end
return 1
"""

_NOW = """
local function now()
    local time = redis.call('TIME')
    return string.format('%d.%06d', time[1], time[2])
end
"""

# conversation, turn, its JSON, the turn that it may replace or ''
WRITE_TURN = (
    _NOW
    + """
local p, id, turn = KEYS[1], ARGV[1], ARGV[2]
local text = redis.call('HGET', p .. ':turn-states', id)
local kept = text and cjson.decode(text).turn
if kept and kept ~= turn and kept ~= ARGV[4] then return 0 end
redis.call('HSET', p .. ':turns', id, ARGV[3])
redis.call('HSET', p .. ':turn-states', id, cjson.encode({turn = turn, at = now()}))
return 1
"""
)

# conversation
TURN = (
    _NOW
    + """
local text = redis.call('HGET', KEYS[1] .. ':turn-states', ARGV[1])
if not text then return {} end
local state = cjson.decode(text)
return {state.turn, redis.call('HGET', KEYS[1] .. ':turns', ARGV[1]), state.at, now()}
"""
)

# conversation, turn
CLEAR_TURN = """
local text = redis.call('HGET', KEYS[1] .. ':turn-states', ARGV[1])
if not text or cjson.decode(text).turn ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1] .. ':turns', ARGV[1])
redis.call('HDEL', KEYS[1] .. ':turn-states', ARGV[1])
return 1
"""
