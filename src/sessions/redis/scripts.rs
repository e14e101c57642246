//! What Redis does in one breath. Each script touches keys of one slot alone, so that it runs in a
//! cluster; a value that is not what we write is treated as missing and written over.

use std::sync::OnceLock;

use redis::Cmd;
use redis::Script;

/// A script, which a server knows by its hash once it was told the text.
pub(super) struct Lua {
    code: &'static str,
    hash: OnceLock<String>,
}

impl Lua {
    const fn new(code: &'static str) -> Self {
        Self { code, hash: OnceLock::new() }
    }

    /// The order to run it, by its hash.
    pub(super) fn order(&'static self, keys: &[&str], args: &[&str]) -> Order {
        let hash = self.hash.get_or_init(|| Script::new(self.code).get_hash().to_owned());
        let mut command = redis::cmd("EVALSHA");
        command.arg(hash).arg(keys.len()).arg(keys).arg(args);
        Order { command, script: Some(self) }
    }
}

/// A command, and the script it runs by hash.
#[derive(Clone)]
pub(super) struct Order {
    pub(super) command: Cmd,
    script: Option<&'static Lua>,
}

impl Order {
    /// A command of Redis itself.
    pub(super) fn plain(name: &str, args: &[&str]) -> Self {
        let mut command = redis::cmd(name);
        command.arg(args);
        Self { command, script: None }
    }

    /// The same with the script's whole text, for a server that does not know it.
    pub(super) fn spelled_out(&self) -> Option<Self> {
        let script = self.script?;
        let mut command = redis::cmd("EVAL");
        command.arg(script.code);
        for arg in self.command.args_iter().skip(2) {
            if let redis::Arg::Simple(arg) = arg {
                command.arg(arg);
            }
        }
        Some(Self { command, script: Some(script) })
    }
}

/// Keys: the call. Arguments: channel, ttl, then as in [`super::text::FIELDS`] with the id first.
/// Answers `lost` and the owner; `same`; or `kept` with the owner, agent and queue before, if any.
pub(super) static SAVE: Lua = Lua::new(
    r"
local key, t, v = KEYS[1], tonumber(ARGV[4]), tonumber(ARGV[5])
local old = redis.pcall('HMGET', key, 'format', 'term', 'version', 'owner', 'agent', 'queue')
if old.err then old = {} end
local term, version = tonumber(old[2]), tonumber(old[3])
local known = old[1] == '1' and term and version and old[4]
if known and old[4] ~= ARGV[6] then
  if t <= term then return {'lost', old[4]} end
elseif known and (t < term or (t == term and v <= version)) then
  redis.call('PEXPIRE', key, ARGV[2])
  return {'same'}
end
if not known then redis.call('DEL', key) end
redis.call('HSET', key, 'format', '1', 'term', ARGV[4], 'version', ARGV[5], 'owner', ARGV[6],
  'platform', ARGV[7], 'platform_call', ARGV[8], 'agent', ARGV[9], 'queue', ARGV[10], 'body', ARGV[11])
redis.call('PEXPIRE', key, ARGV[2])
redis.call('PUBLISH', ARGV[1], '1 call\n' .. table.concat(ARGV, '\n', 3))
if not known then return {'kept'} end
return {'kept', old[4], old[5] or '', old[6] or ''}
",
);

/// Keys: the call. Arguments: ttl, owner, term, version. Answers `missing`; `lost` and the owner; or
/// `held` with platform, its call, agent and queue, so that the way to the call can be renewed too.
pub(super) static TOUCH: Lua = Lua::new(
    r"
local key, t, v = KEYS[1], tonumber(ARGV[3]), tonumber(ARGV[4])
local old = redis.pcall('HMGET', key, 'format', 'term', 'version', 'owner',
  'platform', 'platform_call', 'agent', 'queue')
if old.err then return {'missing'} end
local term, version = tonumber(old[2]), tonumber(old[3])
if not (old[1] == '1' and term and version and old[4]) then return {'missing'} end
if old[4] ~= ARGV[2] then
  if t > term then return {'missing'} end
  return {'lost', old[4]}
end
if term < t or (term == t and version < v) then return {'missing'} end
redis.call('PEXPIRE', key, ARGV[1])
return {'held', old[5] or '', old[6] or '', old[7] or '', old[8] or ''}
",
);

/// Keys: the call. Arguments: channel, id, owner. Answers `lost`, or `gone` as `held` above.
pub(super) static REMOVE: Lua = Lua::new(
    r"
local key = KEYS[1]
local old = redis.pcall('HMGET', key, 'owner', 'platform', 'platform_call', 'agent', 'queue')
if old.err then old = {} end
if old[1] and old[1] ~= ARGV[3] then return {'lost'} end
redis.call('DEL', key)
redis.call('PUBLISH', ARGV[1], '1 gone\n' .. ARGV[2])
return {'gone', old[2] or '', old[3] or '', old[4] or '', old[5] or ''}
",
);

/// Keys: the call. Arguments: channel, ttl, id, from, to. Answers the fields of the call, if it was
/// `from`'s, with the new term and owner.
pub(super) static ADOPT: Lua = Lua::new(
    r"
local key = KEYS[1]
local call = redis.pcall('HMGET', key, 'format', 'term', 'version', 'owner',
  'platform', 'platform_call', 'agent', 'queue', 'body')
if call.err or call[1] ~= '1' or call[4] ~= ARGV[4] then return {} end
for field = 1, 9 do
  if not call[field] then return {} end
end
local term = tonumber(call[2])
if not term or not tonumber(call[3]) then return {} end
call[2], call[4] = string.format('%.0f', term + 1), ARGV[5]
redis.call('HSET', key, 'term', call[2], 'owner', call[4])
redis.call('PEXPIRE', key, ARGV[2])
redis.call('PUBLISH', ARGV[1], '1 call\n' .. ARGV[3] .. '\n' .. table.concat(call, '\n', 2))
return call
",
);

/// Keys: a node's roll. Arguments: ttl, then id, term and version of each call.
pub(super) static ROLL: Lua = Lua::new(
    r"
local key = KEYS[1]
local kind = redis.call('TYPE', key).ok
if kind ~= 'hash' and kind ~= 'none' then redis.call('DEL', key) end
for at = 2, #ARGV, 3 do
  local t, v = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local term, version = string.match(redis.call('HGET', key, ARGV[at]) or '', '^(%d+):(%d+)$')
  term, version = tonumber(term), tonumber(version)
  if not term or term < t or (term == t and version < v) then
    redis.call('HSET', key, ARGV[at], ARGV[at + 1] .. ':' .. ARGV[at + 2])
  end
end
redis.call('PEXPIRE', key, ARGV[1])
return 1
",
);

/// Keys: an index. Arguments: ttl, then its calls.
pub(super) static INDEX: Lua = Lua::new(
    r"
local key = KEYS[1]
local kind = redis.call('TYPE', key).ok
if kind ~= 'set' and kind ~= 'none' then redis.call('DEL', key) end
redis.call('SADD', key, unpack(ARGV, 2))
redis.call('PEXPIRE', key, ARGV[1])
return 1
",
);

/// Keys: a claim. Arguments: ttl, node. Answers whose it is.
pub(super) static CLAIM: Lua = Lua::new(
    r"
local old = redis.pcall('GET', KEYS[1])
if type(old) == 'string' and old ~= '' then return old end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[1])
return ARGV[2]
",
);

/// Keys: the nodes. Arguments: node, milliseconds of the lease, milliseconds for which a node is
/// remembered, address. Answers the nodes whose leases hold: id, address, id, address …
///
/// By the server's clock: those of the nodes need not agree.
pub(super) static RENEW: Lua = Lua::new(
    r"
local key = KEYS[1]
local kind = redis.call('TYPE', key).ok
if kind ~= 'hash' and kind ~= 'none' then redis.call('DEL', key) end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('HSET', key, ARGV[1], string.format('%.0f %s', now + ARGV[2], ARGV[4]))
redis.call('PEXPIRE', key, ARGV[3])
local all, live = redis.call('HGETALL', key), {}
for at = 1, #all, 2 do
  local till, address = string.match(all[at + 1], '^(%d+) (.+)$')
  till = tonumber(till) or tonumber(string.match(all[at + 1], '^(%d+) $'))
  if not till or till + ARGV[3] < now then
    redis.call('HDEL', key, all[at])
  elseif address and till > now then
    live[#live + 1] = all[at]
    live[#live + 1] = address
  end
end
return live
",
);

/// Keys: the nodes. Arguments: node, how long it is remembered. It has calls; of a lease it says
/// nothing.
pub(super) static KNOWN: Lua = Lua::new(
    r"
local key = KEYS[1]
local kind = redis.call('TYPE', key).ok
if kind ~= 'hash' and kind ~= 'none' then redis.call('DEL', key) end
local time = redis.call('TIME')
if redis.call('HSETNX', key, ARGV[1], time[1] .. '000 ') == 1 then
  redis.call('PEXPIRE', key, ARGV[2])
end
return 1
",
);

/// Keys: the nodes. Arguments: node. Its lease is over, if it has one; it may still have calls.
pub(super) static LEAVE: Lua = Lua::new(
    r"
local key, time = KEYS[1], redis.call('TIME')
if redis.call('HEXISTS', key, ARGV[1]) == 1 then
  redis.call('HSET', key, ARGV[1], time[1] .. '000 ')
end
return 1
",
);

/// Keys: the nodes. Arguments: nodes without calls. They are forgotten, unless they hold a lease.
pub(super) static FORGET: Lua = Lua::new(
    r"
local key, time = KEYS[1], redis.call('TIME')
local now = tonumber(time[1]) * 1000
for _, node in ipairs(ARGV) do
  local till = tonumber(string.match(redis.call('HGET', key, node) or '', '^(%d+) '))
  if not till or till < now then redis.call('HDEL', key, node) end
end
return 1
",
);

/// Keys: the list of intents, the intent. Arguments: now, when it is forgotten, most intents, ttl,
/// then names and values of its fields. Answers 1, or 0 when there are too many.
pub(super) static PUT_INTENT: Lua = Lua::new(
    r"
local list, key = KEYS[1], KEYS[2]
local kind = redis.call('TYPE', list).ok
if kind ~= 'zset' and kind ~= 'none' then redis.call('DEL', list) end
redis.call('ZREMRANGEBYSCORE', list, '-inf', ARGV[1])
if redis.call('ZCARD', list) >= tonumber(ARGV[3]) then return 0 end
redis.call('DEL', key)
redis.call('HSET', key, unpack(ARGV, 5))
redis.call('PEXPIRE', key, ARGV[4])
redis.call('ZADD', list, ARGV[2], key)
if redis.call('PTTL', list) < tonumber(ARGV[4]) then redis.call('PEXPIRE', list, ARGV[4]) end
return 1
",
);

/// Keys: the intent. Arguments: now. Answers `unknown`, `used`, `expired`, or `good` and its fields.
///
/// Used is what has lost its customer: taking away succeeds even where the memory is full.
pub(super) static REDEEM: Lua = Lua::new(
    r"
local key = KEYS[1]
local kept = redis.pcall('HMGET', key, 'expires', 'customer', 'number', 'dnis', 'purpose')
if kept.err then return {'unknown'} end
local expires = tonumber(kept[1])
if not expires then return {'unknown'} end
if not kept[2] then return {'used'} end
if tonumber(ARGV[1]) >= expires then return {'expired'} end
redis.call('HDEL', key, 'customer', 'number', 'dnis', 'purpose')
return {'good', kept[1], kept[2], kept[3], kept[4], kept[5]}
",
);

/// Keys: the list of intents, the intent. Arguments: now. Answers 1 if there was one to take back.
pub(super) static CANCEL: Lua = Lua::new(
    r"
local list, key = KEYS[1], KEYS[2]
local kept = redis.pcall('HMGET', key, 'expires', 'customer')
if kept.err or not kept[1] or not kept[2] then return 0 end
redis.call('DEL', key)
redis.pcall('ZREM', list, key)
if tonumber(ARGV[1]) < (tonumber(kept[1]) or 0) then return 1 end
return 0
",
);
