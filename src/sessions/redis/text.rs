//! How keys, calls and messages are written in Redis, and read again.

use redis::Value;
use sha2::Digest;
use sha2::Sha256;

use crate::model::ids::CallId;
use crate::model::ids::IntentHandle;
use crate::model::ids::NodeId;
use crate::model::ids::hex;
use crate::sessions::shared::Change;
use crate::sessions::shared::Index;
use crate::sessions::shared::PlatformKey;
use crate::sessions::shared::SharedCall;
use crate::sessions::shared::Stamp;

/// What a call's hash holds, in the order in which scripts and messages have it. `format` is 1; what
/// another format says is for others.
pub(super) const FIELDS: [&str; 9] =
    ["format", "term", "version", "owner", "platform", "platform_call", "agent", "queue", "body"];

/// Names of keys. What stands in braces picks the cluster's slot.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: String) -> Self {
        Self { prefix }
    }

    pub(super) fn call(&self, id: &CallId) -> String {
        format!("{}:{{c:{id}}}", self.prefix)
    }

    pub(super) fn roll(&self, node: &NodeId) -> String {
        format!("{}:{{n:{node}}}", self.prefix)
    }

    pub(super) fn nodes(&self) -> String {
        format!("{}:{{nodes}}", self.prefix)
    }

    pub(super) fn index(&self, index: &Index) -> String {
        match index {
            Index::Agent(agent) => format!("{}:{{a:{agent}}}", self.prefix),
            Index::Queue(queue) => format!("{}:{{q:{queue}}}", self.prefix),
            Index::Platform(key) => format!("{}:{{p:{}}}", self.prefix, platform(key)),
        }
    }

    pub(super) fn claim(&self, key: &PlatformKey) -> String {
        format!("{}:{{k:{}}}", self.prefix, platform(key))
    }

    /// The list of intents. All share a slot, so that they can be counted.
    pub(super) fn intents(&self) -> String {
        format!("{}:{{i}}", self.prefix)
    }

    /// A handle is a token: Redis knows its hash.
    pub(super) fn intent(&self, handle: &IntentHandle) -> String {
        let hash = hex(&Sha256::digest(handle.expose()));
        format!("{}:{{i}}:{hash}", self.prefix)
    }

    /// A word that may come once; whoever asks gives a fingerprint.
    pub(super) fn word(&self, word: &str) -> String {
        format!("{}:{{o:{word}}}", self.prefix)
    }

    pub(super) fn probe(&self) -> String {
        format!("{}:{{probe}}", self.prefix)
    }

    pub(super) fn channel(&self) -> String {
        format!("{}:changes", self.prefix)
    }
}

/// Both names may hold any colon: the length says where the first one ends.
fn platform(key: &PlatformKey) -> String {
    let name = key.platform.as_str();
    format!("{}:{name}:{}", name.len(), key.call)
}

/// A call from the fields of its hash.
pub(super) fn call(id: CallId, fields: &[Option<String>]) -> Option<SharedCall> {
    let mut fields = fields.iter().map(Option::as_deref);
    if fields.next()?? != "1" {
        return None;
    }
    let mut field = || fields.next().flatten();
    let stamp = Stamp { term: field()?.parse().ok()?, version: field()?.parse().ok()? };
    Some(SharedCall {
        id,
        stamp,
        owner: field()?.parse().ok()?,
        platform: PlatformKey { platform: field()?.parse().ok()?, call: field()?.parse().ok()? },
        agent: match field()? {
            "" => None,
            agent => Some(agent.parse().ok()?),
        },
        queue: field()?.parse().ok()?,
        body: field()?.into(),
    })
}

/// A message of the channel; none: it is not one of ours. Names hold no line feed, a body may.
pub(super) fn change(message: &str) -> Option<Change> {
    let (kind, rest) = message.split_once('\n')?;
    match kind {
        "1 call" => {
            let (id, rest) = rest.split_once('\n')?;
            let mut fields = vec![Some("1".to_owned())];
            fields.extend(rest.splitn(FIELDS.len() - 1, '\n').map(|field| Some(field.to_owned())));
            call(id.parse().ok()?, &fields).map(|call| Change::Call(Box::new(call)))
        }
        "1 gone" => rest.parse().ok().map(Change::Gone),
        _ => None,
    }
}

/// `term:version` of a roll.
pub(super) fn stamp(text: &str) -> Option<Stamp> {
    let (term, version) = text.split_once(':')?;
    Some(Stamp { term: term.parse().ok()?, version: version.parse().ok()? })
}

/// The texts of an answer, whether a list or a map; what is no text is none.
pub(super) fn texts(value: &Value) -> Vec<Option<String>> {
    match value {
        Value::Array(values) | Value::Set(values) => values.iter().map(text).collect(),
        Value::Map(pairs) => {
            pairs.iter().flat_map(|(name, value)| [text(name), text(value)]).collect()
        }
        _ => Vec::new(),
    }
}

/// The text of an answer.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) => Some(text.clone()),
        Value::Okay => Some("OK".to_owned()),
        _ => None,
    }
}

/// Names and values of a map.
pub(super) fn pairs(value: &Value) -> Vec<(String, String)> {
    let mut texts = texts(value).into_iter();
    let mut pairs = Vec::new();
    while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
        pairs.extend(name.zip(value));
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_the_scripts_write_it() {
        let message = "1 call\nC1\n2\n7\nn-1\nsip\nabc@host\n\ngeneral\n{\"a\":\n1}";
        let Some(Change::Call(call)) = change(message) else { panic!("no call") };
        assert_eq!((call.id.as_str(), call.stamp), ("C1", Stamp { term: 2, version: 7 }));
        assert_eq!((call.agent, &*call.body), (None, "{\"a\":\n1}"));
        assert_eq!(change("1 gone\nC1"), Some(Change::Gone("C1".parse().unwrap())));
        for garbled in
            ["", "1 call", "2 call\nC1", "1 call\nC1\nx\n7\nn\ns\nc\n\nq\n{}", "1 gone\n"]
        {
            assert_eq!(change(garbled), None, "{garbled}");
        }
    }

    #[test]
    fn keys_of_different_things_differ_and_show_no_handle() {
        let keys = Keys::new("cs".to_owned());
        let key = |platform: &str, call: &str| {
            let (platform, call) = (platform.parse().unwrap(), call.parse().unwrap());
            keys.claim(&PlatformKey { platform, call })
        };
        assert_ne!(key("a:b", "c"), key("a", "b:c"));
        let handle = IntentHandle::new([0xab; 16]);
        assert!(!keys.intent(&handle).contains("abab"), "{}", keys.intent(&handle));
    }
}
