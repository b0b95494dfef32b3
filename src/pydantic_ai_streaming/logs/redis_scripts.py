"""The Lua scripts of `RedisBackend`. Each is given the prefix as its only key, to which it adds `:log`.

PREFIX:log:version         the version of this layout
PREFIX:log:head:ID         hash: `head`, as JSON; `revisions`, of the last writes, the newest first
PREFIX:log:entries:ID      Redis Stream: the entry at offset N has the id N+1-0 and one field, `e`
PREFIX:log:leases          sorted set: stream by the second at which its lease lapses, while it is open
PREFIX:log:owner=OWNER     sorted set: stream by the second at which it expires
PREFIX:log:changes         channel: who has written, and the streams with their versions, as JSON; -1 is unknown
"""

from __future__ import annotations

__all__ = ['COMMIT', 'LAPSED', 'OPEN', 'OWNED', 'READ', 'VERSION']

VERSION = 1
"""The version of the layout."""

_NOW = """
local time = redis.call('TIME')
local now = string.format('%d.%06d', time[1], time[2])
"""

# the version, who opens it
#
# A replica, or a server without memory, can be read. Whoever may not publish is told so before they have written
# anything that nobody hears of.
OPEN = (
    _NOW
    + """
local key = KEYS[1] .. ':log:version'
redis.call('PUBLISH', KEYS[1] .. ':log:changes', ARGV[2] .. ' []')
if redis.call('EXISTS', key) == 0 then redis.call('SET', key, ARGV[1]) end
return {now, redis.call('GET', key)}
"""
)

# who writes, then for each stream: id, the revision that it has to have, the one that it gets or '' to compare only,
# head or '' to delete it, version to be told or '', whether there are no entries of before (1 or 0), milliseconds at
# which it expires or '', second at which its lease lapses or '', =owner or '', offset of the first entry, sizes of the
# entries, the entries
#
# An answer that is lost makes the driver ask again: a revision that is among the last ones was written then.
# The first command that needs memory comes before all others, so that without memory nothing of a stream is changed.
COMMIT = (
    _NOW
    + """
local p, told, answers = KEYS[1] .. ':log', {}, {}

local function delete(id, revisions, owner)
    redis.call('DEL', p .. ':head:' .. id, p .. ':entries:' .. id)
    redis.call('ZREM', p .. ':leases', id)
    if owner ~= '' then redis.call('ZREM', p .. ':owner' .. owner, id) end
    -- For the case that the answer is lost; without memory, it has to do without.
    local kept = redis.pcall('HSET', p .. ':head:' .. id, 'revisions', revisions)
    if type(kept) == 'number' then redis.call('EXPIRE', p .. ':head:' .. id, 60) end
end

local function index(id, is_new, expires, leased, owner)
    if leased == '' then
        redis.call('ZREM', p .. ':leases', id)
    else
        redis.call('ZADD', p .. ':leases', leased, id)
    end
    if owner ~= '' then
        local key = p .. ':owner' .. owner
        local left = redis.call('PTTL', key)
        -- Of an owner who has a stream that is kept for ever, the key would never expire.
        if is_new == '1' then redis.call('ZREMRANGEBYSCORE', key, '-inf', '(' .. now) end
        redis.call('ZADD', key, expires == '' and '+inf' or expires / 1000, id)
        if expires == '' then
            redis.call('PERSIST', key)
        elseif left == -2 or (left >= 0 and left < expires - now * 1000) then
            redis.call('PEXPIREAT', key, expires)
        end
    end
end

local function write(id, revisions, head, is_new, expires, leased, owner, offset, sizes, entries)
    local own, stream = p .. ':head:' .. id, p .. ':entries:' .. id
    redis.call('HSET', own, 'revisions', revisions, 'head', head)
    if is_new == '1' then redis.call('DEL', stream) end
    local at = 1
    for size in string.gmatch(sizes, '%d+') do
        offset = offset + 1
        redis.call('XADD', stream, string.format('%d-0', offset), 'e', string.sub(entries, at, at + size - 1))
        at = at + size
    end
    if expires == '' then
        redis.call('PERSIST', own)
        redis.call('PERSIST', stream)
    else
        redis.call('PEXPIREAT', own, expires)
        -- Later, so that nobody finds a stream without its entries.
        redis.call('PEXPIREAT', stream, expires + 60000)
    end
    index(id, is_new, expires, leased, owner)
end

for i = 2, #ARGV, 12 do
    local id, expected, revision = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    local state = redis.call('HMGET', p .. ':head:' .. id, 'revisions', 'head')
    local revisions = state[1] or ''
    local newest = string.match(revisions, '^%S*')
    if revision ~= '' and string.find(revisions, revision, 1, true) then
        answers[#answers + 1] = 1
    elseif newest ~= expected then
        answers[#answers + 1] = {newest, state[2] or ''}
    elseif revision == '' then
        answers[#answers + 1] = 1
    else
        local kept = revision .. ' ' .. string.sub(revisions, 1, 95)
        local ok, problem
        if ARGV[i + 3] == '' then
            ok, problem = pcall(delete, id, kept, ARGV[i + 8])
        else
            ok, problem = pcall(write, id, kept, ARGV[i + 3], unpack(ARGV, i + 5, i + 11))
        end
        if ok then
            answers[#answers + 1] = 1
            if ARGV[i + 4] ~= '' then told[#told + 1] = {id, tonumber(ARGV[i + 4])} end
        else
            answers[#answers + 1] = {type(problem) == 'table' and problem.err or problem}
        end
    end
end
if #told > 0 then redis.call('PUBLISH', p .. ':changes', ARGV[1] .. ' ' .. cjson.encode(told)) end
return {now, answers}
"""
)

# for each stream: id, offset, how many entries, bytes of entries after which it is enough
READ = (
    _NOW
    + """
local p, answers = KEYS[1] .. ':log', {}
for i = 1, #ARGV, 4 do
    local state = redis.call('HMGET', p .. ':head:' .. ARGV[i], 'revisions', 'head')
    local newest = string.match(state[1] or '', '^%S*')
    if not state[2] then
        answers[#answers + 1] = {newest, ''}
    else
        local entries, size, offset, left = {}, 0, tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
        local enough = tonumber(ARGV[i + 3])
        while left > 0 and size < enough do
            local some, first = math.min(left, size == 0 and 8 or 100), string.format('%d-0', offset + 1)
            local found = redis.call('XRANGE', p .. ':entries:' .. ARGV[i], first, '+', 'COUNT', some)
            for _, entry in ipairs(found) do
                entries[#entries + 1] = entry[2][2]
                size = size + #entry[2][2]
                if size >= enough then break end
            end
            offset, left = offset + #found, #found < some and 0 or left - #found
        end
        answers[#answers + 1] = {newest, state[2], entries}
    end
end
return {now, answers}
"""
)

LAPSED = (
    _NOW
    + """
local p, found = KEYS[1] .. ':log', {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', p .. ':leases', '-inf', now)) do
    if redis.call('HEXISTS', p .. ':head:' .. id, 'head') == 1 then
        found[#found + 1] = id
    else
        redis.call('ZREM', p .. ':leases', id)
    end
end
return {now, found}
"""
)

# =owner
OWNED = (
    _NOW
    + """
local p, found = KEYS[1] .. ':log', {}
local key = p .. ':owner' .. ARGV[1]
redis.call('ZREMRANGEBYSCORE', key, '-inf', '(' .. now)
for _, id in ipairs(redis.call('ZRANGE', key, 0, -1)) do
    local head = redis.call('HGET', p .. ':head:' .. id, 'head')
    if head then found[#found + 1] = head else redis.call('ZREM', key, id) end
end
return {now, found}
"""
)
