//! Intents in Redis, under the hash of their handle, and words that may come once.

use std::time::Duration;

use async_trait::async_trait;
use redis::Value;

use crate::model::ids::IntentHandle;
use crate::model::time::Timestamp;
use crate::sessions::INTENT_REMEMBERED;
use crate::sessions::Intent;
use crate::sessions::Redeemed;
use crate::sessions::Sessions;
use crate::sessions::SessionsError;
use crate::sessions::redis::RedisSessions;
use crate::sessions::redis::scripts;
use crate::sessions::redis::scripts::Order;
use crate::sessions::redis::text;

#[async_trait]
impl Sessions for RedisSessions {
    async fn put_intent(&self, handle: IntentHandle, intent: Intent) -> Result<(), SessionsError> {
        let now = (self.clock)();
        let forgotten = intent.expires_at.after(INTENT_REMEMBERED);
        let (now_text, forgotten_text) = (now.0.to_string(), forgotten.0.to_string());
        let (most, ttl) = (
            self.settings.intents_max.to_string(),
            forgotten.since(now).as_millis().max(1).to_string(),
        );
        let expires = intent.expires_at.0.to_string();
        let number = intent.number.as_e164();
        let mut args = vec![&*now_text, &*forgotten_text, &*most, &*ttl];
        args.extend(["expires", &*expires]);
        args.extend(["customer", intent.customer.as_str(), "number", number]);
        let optional = [("dnis", &intent.dnis), ("purpose", &intent.purpose)];
        for (name, value) in optional {
            args.extend(value.iter().flat_map(|value| [name, value.as_str()]));
        }
        let keys = [&*self.keys.intents(), &*self.keys.intent(&handle)];
        match self.ask_quick(scripts::PUT_INTENT.order(&keys, &args)).await? {
            Value::Int(1) => Ok(()),
            _ => Err(SessionsError(format!("{most} intents are open"))),
        }
    }

    async fn redeem_intent(
        &self,
        handle: &IntentHandle,
        now: Timestamp,
    ) -> Result<Redeemed, SessionsError> {
        let order = scripts::REDEEM.order(&[&self.keys.intent(handle)], &[&now.0.to_string()]);
        let mut answer = text::texts(&self.ask_quick(order).await?).into_iter();
        Ok(match answer.next().flatten().as_deref() {
            Some("good") => read(&answer.collect::<Vec<_>>())
                .map_or(Redeemed::Unknown, |intent| Redeemed::Good(Box::new(intent))),
            Some("expired") => Redeemed::Expired,
            Some("used") => Redeemed::Used,
            _ => Redeemed::Unknown,
        })
    }

    async fn cancel_intent(&self, handle: &IntentHandle) -> Result<bool, SessionsError> {
        let keys = [&*self.keys.intents(), &*self.keys.intent(handle)];
        let now = (self.clock)().0.to_string();
        let answer = self.ask_quick(scripts::CANCEL.order(&keys, &[&now])).await?;
        Ok(answer == Value::Int(1))
    }

    async fn once(&self, word: &str, ttl: Duration) -> Result<bool, SessionsError> {
        let ttl = ttl.as_millis().max(1).to_string();
        let order = Order::plain("SET", &[&self.keys.word(word), "1", "NX", "PX", &ttl]);
        Ok(self.ask_quick(order).await? != Value::Nil)
    }
}

/// An intent from its fields; none: they are not what we wrote.
fn read(fields: &[Option<String>]) -> Option<Intent> {
    let [expires, customer, number, dnis, purpose] = fields else { return None };
    Some(Intent {
        customer: customer.as_ref()?.parse().ok()?,
        number: number.as_ref()?.parse().ok()?,
        dnis: dnis.clone(),
        purpose: purpose.clone(),
        expires_at: Timestamp(expires.as_ref()?.parse().ok()?),
    })
}
