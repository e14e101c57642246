//! Calls, nodes and claims in Redis.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;

use async_trait::async_trait;
use redis::Value;
use tokio::sync::mpsc;

use crate::model::ids::AgentId;
use crate::model::ids::CallId;
use crate::model::ids::NodeId;
use crate::model::ids::QueueName;
use crate::sessions::SessionsError;
use crate::sessions::redis::RedisSessions;
use crate::sessions::redis::fault::Fault;
use crate::sessions::redis::lenient;
use crate::sessions::redis::scripts;
use crate::sessions::redis::scripts::Order;
use crate::sessions::redis::text;
use crate::sessions::shared::BODY_MAX;
use crate::sessions::shared::Change;
use crate::sessions::shared::Index;
use crate::sessions::shared::Node;
use crate::sessions::shared::PlatformKey;
use crate::sessions::shared::Saved;
use crate::sessions::shared::SharedCall;
use crate::sessions::shared::SharedCalls;
use crate::sessions::shared::Stamp;
use crate::sessions::shared::Touched;

/// States in one batch: more would hold the other orders up.
const BATCH: usize = 128;

/// The most calls that [`SharedCalls::find`] looks at.
const FOUND_MAX: &str = "10000";

/// For how long a node without lease and calls is remembered, in milliseconds.
const NODE_KEPT_MS: &str = "3600000";

/// What follows from the answers to a batch.
#[derive(Default)]
struct After {
    orders: Vec<Order>,
    /// Calls to add to an index, by its key.
    indexed: BTreeMap<String, BTreeSet<String>>,
}

impl After {
    fn index(&mut self, key: String, id: &CallId) {
        self.indexed.entry(key).or_default().insert(id.to_string());
    }
}

impl RedisSessions {
    fn save_order(&self, call: &SharedCall) -> Order {
        scripts::SAVE.order(
            &[&self.keys.call(&call.id)],
            &[
                &self.channel,
                &self.call_ms,
                call.id.as_str(),
                &call.stamp.term.to_string(),
                &call.stamp.version.to_string(),
                call.owner.as_str(),
                call.platform.platform.as_str(),
                call.platform.call.as_str(),
                call.agent.as_ref().map_or("", AgentId::as_str),
                call.queue.as_str(),
                &call.body,
            ],
        )
    }

    /// Says that these calls are on the node's roll, and that the node has one.
    fn enrol<'a>(
        &self,
        node: &NodeId,
        calls: impl Iterator<Item = (&'a CallId, Stamp)>,
    ) -> [Order; 2] {
        let mut args = vec![self.call_ms.clone()];
        for (id, stamp) in calls {
            args.extend([id.to_string(), stamp.term.to_string(), stamp.version.to_string()]);
        }
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        [
            scripts::ROLL.order(&[&self.keys.roll(node)], &args),
            scripts::KNOWN.order(&[&self.keys.nodes()], &[node.as_str(), NODE_KEPT_MS]),
        ]
    }

    /// Takes a call off a roll.
    fn strike(&self, node: &NodeId, id: &CallId) -> Order {
        Order::plain("HDEL", &[&self.keys.roll(node), id.as_str()])
    }

    async fn save_batch(&self, calls: &[SharedCall]) -> Result<Vec<Saved>, Fault> {
        if let Some(call) = calls.iter().find(|call| call.body.len() > BODY_MAX) {
            return Err(Fault::TooLong(call.body.len()));
        }
        let mut orders: Vec<_> = calls.iter().map(|call| self.save_order(call)).collect();
        let mut owners = BTreeMap::<&NodeId, Vec<&SharedCall>>::new();
        for call in calls {
            owners.entry(&call.owner).or_default().push(call);
        }
        for (owner, calls) in owners {
            let calls = calls.into_iter().map(|call| (&call.id, call.stamp));
            orders.extend(self.enrol(owner, calls));
        }
        let answers = self.ask_all(orders).await?;
        let (mut saved, mut after) = (Vec::with_capacity(calls.len()), After::default());
        for (call, answer) in calls.iter().zip(&answers) {
            let mut answer = text::texts(answer).into_iter().flatten();
            match answer.next().as_deref() {
                Some("same") => {}
                Some("lost") => {
                    after.orders.push(self.strike(&call.owner, &call.id));
                    saved.push(Saved::Lost(self.owner(&call.id, answer.next()).await?));
                    continue;
                }
                _ => self.after_saving(call, &answer.collect::<Vec<_>>(), &mut after),
            }
            saved.push(Saved::Kept);
        }
        self.finish(after).await?;
        Ok(saved)
    }

    /// The ways to a call, where it is new or was elsewhere before (owner, agent, queue).
    fn after_saving(&self, call: &SharedCall, before: &[String], after: &mut After) {
        let agent = call.agent.clone().map(Index::Agent);
        let queue = Index::Queue(call.queue.clone());
        let [old_owner, old_agent, old_queue] = before else {
            let platform = Index::Platform(call.platform.clone());
            for index in agent.into_iter().chain([queue, platform]) {
                after.index(self.keys.index(&index), &call.id);
            }
            return;
        };
        if let Some(old) = old_owner.parse().ok().filter(|old| *old != call.owner) {
            after.orders.push(self.strike(&old, &call.id));
        }
        if *old_queue != call.queue.as_str() {
            let old = old_queue.parse::<QueueName>().ok().map(Index::Queue);
            after.orders.extend(old.map(|old| self.unindex(&old, &call.id)));
            after.index(self.keys.index(&queue), &call.id);
        }
        if *old_agent != call.agent.as_ref().map_or("", AgentId::as_str) {
            let old = old_agent.parse::<AgentId>().ok().map(Index::Agent);
            after.orders.extend(old.map(|old| self.unindex(&old, &call.id)));
            if let Some(agent) = agent {
                after.index(self.keys.index(&agent), &call.id);
            }
        }
    }

    fn unindex(&self, index: &Index, id: &CallId) -> Order {
        Order::plain("SREM", &[&self.keys.index(index), id.as_str()])
    }

    /// What follows from a batch. A key of the wrong type holds nothing that could be taken out of it.
    async fn finish(&self, after: After) -> Result<(), Fault> {
        let mut orders = after.orders;
        for (key, calls) in &after.indexed {
            let args: Vec<_> =
                std::iter::once(&self.call_ms).chain(calls).map(String::as_str).collect();
            orders.push(scripts::INDEX.order(&[key], &args));
        }
        self.ask_leniently(orders, self.settings.behind).await.map(drop)
    }

    /// Another owner's name; one that is none is taken away, so that the next try succeeds.
    async fn owner(&self, id: &CallId, name: Option<String>) -> Result<NodeId, Fault> {
        if let Some(owner) = name.and_then(|name| name.parse().ok()) {
            return Ok(owner);
        }
        self.ask(Order::plain("DEL", &[&self.keys.call(id)])).await?;
        Err(Fault::refused("an owner without a name"))
    }

    async fn touch_batch(
        &self,
        owner: &NodeId,
        calls: &[(CallId, Stamp)],
    ) -> Result<Vec<Touched>, Fault> {
        let mut orders: Vec<_> = calls
            .iter()
            .map(|(id, stamp)| {
                let (term, version) = (stamp.term.to_string(), stamp.version.to_string());
                let args = [&self.call_ms, owner.as_str(), &term, &version];
                scripts::TOUCH.order(&[&self.keys.call(id)], &args)
            })
            .collect();
        orders.extend(self.enrol(owner, calls.iter().map(|(id, stamp)| (id, *stamp))));
        let answers = self.ask_all(orders).await?;
        let (mut touched, mut after) = (Vec::with_capacity(calls.len()), After::default());
        for ((id, _), answer) in calls.iter().zip(&answers) {
            let mut answer = text::texts(answer).into_iter().flatten();
            touched.push(match answer.next().as_deref() {
                Some("held") => {
                    for index in indexes(&answer.collect::<Vec<_>>()) {
                        after.index(self.keys.index(&index), id);
                    }
                    Touched::Held
                }
                Some("lost") => {
                    after.orders.push(self.strike(owner, id));
                    Touched::Lost(self.owner(id, answer.next()).await?)
                }
                _ => Touched::Missing,
            });
        }
        self.finish(after).await?;
        Ok(touched)
    }

    async fn remove_batch(&self, owner: &NodeId, calls: &[CallId]) -> Result<(), Fault> {
        let order = |id: &CallId| {
            let args = [&self.channel, id.as_str(), owner.as_str()];
            scripts::REMOVE.order(&[&self.keys.call(id)], &args)
        };
        let answers = self.ask_all(calls.iter().map(order).collect()).await?;
        let mut after = After::default();
        for (id, answer) in calls.iter().zip(&answers) {
            after.orders.push(self.strike(owner, id));
            let mut answer = text::texts(answer).into_iter().flatten();
            if answer.next().as_deref() == Some("gone") {
                let indexes = indexes(&answer.collect::<Vec<_>>());
                after.orders.extend(indexes.iter().map(|index| self.unindex(index, id)));
            }
        }
        self.finish(after).await
    }

    async fn adopt_call(
        &self,
        id: &CallId,
        from: &NodeId,
        to: &NodeId,
    ) -> Result<Option<SharedCall>, Fault> {
        let args = [&self.channel, &self.call_ms, id.as_str(), from.as_str(), to.as_str()];
        let answer = self.ask(scripts::ADOPT.order(&[&self.keys.call(id)], &args)).await?;
        let call = text::call(id.clone(), &text::texts(&answer));
        // Whatever came of it: it is not on that roll any more.
        let mut after = After { orders: vec![self.strike(from, id)], ..After::default() };
        if let Some(call) = &call {
            after.orders.extend(self.enrol(to, std::iter::once((id, call.stamp))));
            let claim = [&self.keys.claim(&call.platform), to.as_str(), "PX", &self.claim_ms];
            after.orders.push(Order::plain("SET", &claim));
        }
        // It is ours now: what failed here is made good by the next sign of life.
        let _ = self.finish(after).await;
        Ok(call)
    }

    async fn found(&self, index: &Index) -> Result<Vec<CallId>, Fault> {
        let key = self.keys.index(index);
        let members =
            self.link.ask(Order::plain("SRANDMEMBER", &[&key, FOUND_MAX]), self.settings.quick);
        let members = text::texts(&lenient(members.await)?);
        let (mut ids, mut gone, mut orders) = (Vec::new(), Vec::new(), Vec::new());
        for member in members.into_iter().flatten() {
            match member.parse::<CallId>() {
                Ok(id) => {
                    orders.push(self.fields_of(&id));
                    ids.push(id);
                }
                Err(_) => gone.push(member),
            }
        }
        let answers = self.ask_leniently(orders, self.settings.quick).await?;
        let mut found = Vec::new();
        for (id, answer) in ids.into_iter().zip(&answers) {
            match text::call(id.clone(), &text::texts(answer)) {
                Some(call) if index.leads_to(&call) => found.push(id),
                _ => gone.push(id.into()),
            }
        }
        if !gone.is_empty() {
            let args: Vec<_> = std::iter::once(&key).chain(&gone).map(String::as_str).collect();
            // Tidying up: what stays is found not to fit next time again.
            let _ = self.ask(Order::plain("SREM", &args)).await;
        }
        Ok(found)
    }

    fn fields_of(&self, id: &CallId) -> Order {
        let mut order = Order::plain("HMGET", &[&self.keys.call(id)]);
        order.command.arg(&text::FIELDS[..]);
        order
    }

    async fn rolls_with_calls(&self) -> Result<Vec<NodeId>, Fault> {
        let nodes_key = self.keys.nodes();
        let known = lenient(self.ask(Order::plain("HKEYS", &[&nodes_key])).await)?;
        let nodes: Vec<NodeId> = text::texts(&known)
            .into_iter()
            .flatten()
            .filter_map(|node| node.parse().ok())
            .collect();
        let length = |node: &NodeId| Order::plain("HLEN", &[&self.keys.roll(node)]);
        let lengths =
            self.ask_leniently(nodes.iter().map(length).collect(), self.settings.behind).await?;
        let has_calls = |length: &Value| matches!(length, Value::Int(calls) if *calls > 0);
        let (full, empty): (Vec<_>, Vec<_>) =
            nodes.into_iter().zip(lengths).partition(|(_, length)| has_calls(length));
        let empty: Vec<_> = empty.iter().map(|(node, _)| node.as_str()).collect();
        if !empty.is_empty() {
            // Tidying up: it can wait.
            let _ = self.ask(scripts::FORGET.order(&[&nodes_key], &empty)).await;
        }
        Ok(full.into_iter().map(|(node, _)| node).collect())
    }
}

#[async_trait]
impl SharedCalls for RedisSessions {
    async fn save(&self, calls: Vec<SharedCall>) -> Result<Vec<Saved>, SessionsError> {
        let mut saved = Vec::with_capacity(calls.len());
        for batch in calls.chunks(BATCH) {
            saved.extend(self.save_batch(batch).await?);
        }
        Ok(saved)
    }

    async fn touch(
        &self,
        owner: &NodeId,
        calls: Vec<(CallId, Stamp)>,
    ) -> Result<Vec<Touched>, SessionsError> {
        let mut touched = Vec::with_capacity(calls.len());
        for batch in calls.chunks(BATCH) {
            touched.extend(self.touch_batch(owner, batch).await?);
        }
        Ok(touched)
    }

    async fn remove(&self, owner: &NodeId, calls: Vec<CallId>) -> Result<(), SessionsError> {
        for batch in calls.chunks(BATCH) {
            self.remove_batch(owner, batch).await?;
        }
        Ok(())
    }

    async fn call(&self, id: &CallId) -> Result<Option<SharedCall>, SessionsError> {
        let fields = lenient(self.ask_quick(self.fields_of(id)).await)?;
        Ok(text::call(id.clone(), &text::texts(&fields)))
    }

    async fn find(&self, index: &Index) -> Result<Vec<CallId>, SessionsError> {
        Ok(self.found(index).await?)
    }

    async fn roll(&self, node: &NodeId) -> Result<HashMap<CallId, Stamp>, SessionsError> {
        let roll = lenient(self.ask(Order::plain("HGETALL", &[&self.keys.roll(node)])).await)?;
        let entry = |(id, stamp): (String, String)| Some((id.parse().ok()?, text::stamp(&stamp)?));
        Ok(text::pairs(&roll).into_iter().filter_map(entry).collect())
    }

    async fn adopt(
        &self,
        id: &CallId,
        from: &NodeId,
        to: &NodeId,
    ) -> Result<Option<SharedCall>, SessionsError> {
        Ok(self.adopt_call(id, from, to).await?)
    }

    async fn claim(&self, key: &PlatformKey, node: &NodeId) -> Result<NodeId, SessionsError> {
        let args = [&self.claim_ms, node.as_str()];
        let answer = self.ask_quick(scripts::CLAIM.order(&[&self.keys.claim(key)], &args)).await?;
        // What is no name was not written by us, and is nobody's.
        Ok(text::text(&answer).and_then(|owner| owner.parse().ok()).unwrap_or_else(|| node.clone()))
    }

    async fn renew(&self, node: &Node) -> Result<Vec<Node>, SessionsError> {
        let args = [node.id.as_str(), &self.lease_ms, NODE_KEPT_MS, &node.address];
        let live = self.ask(scripts::RENEW.order(&[&self.keys.nodes()], &args)).await?;
        let node = |(id, address): (String, String)| Some(Node { id: id.parse().ok()?, address });
        Ok(text::pairs(&live).into_iter().filter_map(node).collect())
    }

    async fn rolls(&self) -> Result<Vec<NodeId>, SessionsError> {
        Ok(self.rolls_with_calls().await?)
    }

    async fn leave(&self, node: &NodeId) -> Result<(), SessionsError> {
        self.ask(scripts::LEAVE.order(&[&self.keys.nodes()], &[node.as_str()])).await?;
        Ok(())
    }

    async fn changes(&self) -> Result<mpsc::Receiver<Change>, SessionsError> {
        Ok(self.listeners.add())
    }

    async fn probe(&self) -> Result<(), SessionsError> {
        // A write: a server that only reads is of no use.
        self.ask(Order::plain("SET", &[&self.keys.probe(), "1", "PX", "1000"])).await?;
        if *self.hears.borrow() {
            Ok(())
        } else {
            Err(SessionsError(
                "nothing is heard of other nodes: Redis takes no subscription".into(),
            ))
        }
    }
}

/// The ways to a call, from the platform, its call, the agent and the queue of an answer.
fn indexes(fields: &[String]) -> Vec<Index> {
    let [platform, call, agent, queue] = fields else { return Vec::new() };
    let platform = platform.parse().ok().zip(call.parse().ok());
    let platform = platform.map(|(platform, call)| Index::Platform(PlatformKey { platform, call }));
    let (agent, queue) =
        (agent.parse().ok().map(Index::Agent), queue.parse().ok().map(Index::Queue));
    platform.into_iter().chain(agent).chain(queue).collect()
}
