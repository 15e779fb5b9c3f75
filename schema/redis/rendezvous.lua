-- The rendezvous: one hash per key of the link equation. KEYS[1] is ct:{project|kind|value}; ARGV[1] the
-- operation, ARGV[2] the id that it is about (16 octets).
--
--   field 'c'         the call that claims the key
--   field 's'         the key is a room that a skipping trace named
--   16-octet fields   the traces that wait
--
-- Claims and flags live 24 h, a hash of waiting traces alone 1 h. Each call touches one key, so that a cluster
-- could serve it. Answers {claim or '', flag or '', waiting traces as one text}.
local CLAIM_S, WAIT_S, WAITING_MAX = 86400, 3600, 10000
local key, op, id = KEYS[1], ARGV[1], ARGV[2]
local claim = redis.call('HGET', key, 'c') or ''
local flag = redis.call('HGET', key, 's') or ''

local function waiting()
  local found = {}
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if #field == 16 then found[#found + 1] = field end
  end
  return table.concat(found)
end

if op == 'observe' then
  if redis.call('HLEN', key) < WAITING_MAX then
    redis.call('HSET', key, id, '')
  end
  if claim == '' and flag == '' then redis.call('EXPIRE', key, WAIT_S) end
  return {claim, flag, ''}
elseif op == 'claim' or op == 'force' then
  if claim == '' or op == 'force' then
    claim = id
    redis.call('HSET', key, 'c', id)
  end
  redis.call('EXPIRE', key, CLAIM_S)
  return {claim, flag, waiting()}
elseif op == 'release' then
  if claim == id then
    claim = ''
    redis.call('HDEL', key, 'c')
  end
  return {claim, flag, ''}
elseif op == 'flag' then
  redis.call('HSET', key, 's', '1')
  redis.call('EXPIRE', key, CLAIM_S)
  return {claim, '1', waiting()}
end
return redis.error_reply('ERR unknown operation')
