//! `GET /v1/calls/{id}/customer`: what may be told about a caller's account, and to whom (C01, C26–C32).
//!
//! Nothing is told until the call has passed and the caller's role is set (C82), nothing at all after a
//! failure (C52). Each look is on record before it is answered, each refusal too.

use axum::extract::Path;
use axum::extract::Query;
use axum::extract::State;
use axum::extract::rejection::QueryRejection;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use crate::api::ApiState;
use crate::api::body::who;
use crate::api::error::ApiError;
use crate::api::error::json as answer;
use crate::model::auth::Authentication;
use crate::model::disclosure::BANK;
use crate::model::disclosure::CustomerDisclosed;
use crate::model::disclosure::has_bank;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;
use crate::push::audience::View;
use crate::push::hub::Found;
use crate::records::AuditEntry;
use crate::records::RecordsError;
use crate::wire::identity::Identity;
use crate::wire::identity::TokenRole;

/// What may be asked for.
#[derive(Deserialize)]
pub struct Asked {
    show: Option<String>,
}

/// The customer of a call that has passed.
pub async fn of_call(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let roles = &[TokenRole::Agent, TokenRole::Supervisor];
    let identity = who(&state, &headers, roles).await?;
    let with_bank = match asked.ok().map(|Query(asked)| asked.show) {
        Some(None) => false,
        Some(Some(show)) if show == BANK => true,
        _ => {
            let message = "show may be bank_last4, once, or be left out";
            return Err(ApiError::bad("invalid_query", message));
        }
    };
    let unknown = || {
        ApiError::not_found("no_such_call", "there is no such live call, or it is not yours to see")
    };
    let Found::Seen(call) = state.desktops.hub().call(&View::new(&identity, None), &id) else {
        return Err(unknown());
    };
    let call: Value = serde_json::from_str(&call).unwrap_or_default();
    let id: CallId = call["id"].as_str().and_then(|id| id.parse().ok()).ok_or_else(unknown)?;
    let look = Look { state: &state, identity: &identity, call: &id, now: (state.clock)() };
    match may_see(&call, &identity) {
        Ok(customer) => look.told(customer, with_bank).await,
        Err(refused) => Err(look.refused(&call, refused).await),
    }
}

/// Why nothing is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Refused {
    /// Another agent has the call, or nobody.
    NotYours,
    /// The check has not been passed, or the role is not established (C01, C82).
    NotPassed,
    /// The one who speaks may not hear it: a third party, an employer, or somebody without the
    /// client's permission (C08, C14, C16).
    Party,
}

impl Refused {
    /// The word on record.
    const fn why(self) -> &'static str {
        match self {
            Self::NotYours => "not_yours",
            Self::NotPassed => "not_passed",
            Self::Party => "party",
        }
    }

    fn error(self) -> ApiError {
        let status = StatusCode::FORBIDDEN;
        let message = match self {
            Self::NotYours => {
                let message = "take the call first; only its own agent sees the account";
                return ApiError::new(status, "not_yours", message);
            }
            Self::NotPassed => {
                "finish the security check and set the caller's role first; nothing may be told before"
            }
            Self::Party => {
                "nothing may be told to this party; the client has to be present and to permit it"
            }
        };
        ApiError::new(status, "not_passed", message)
    }
}

/// Whose account may be shown to this identity on this call.
fn may_see(call: &Value, identity: &Identity) -> Result<CustomerId, Refused> {
    let own = call["agent"].as_str() == Some(identity.agent.as_str());
    if !own && !identity.is(TokenRole::Supervisor) {
        return Err(Refused::NotYours);
    }
    // What may be out of date may have failed meanwhile.
    if call["stale"] == true {
        return Err(Refused::NotPassed);
    }
    if call["authentication"].as_str() != Some(Authentication::Authenticated.word()) {
        return Err(Refused::NotPassed);
    }
    if !call["ended_at"].is_null() {
        // C83: what was passed dies with the call.
        return Err(Refused::NotPassed);
    }
    let party = &call["party"];
    match party["role"].as_str() {
        None => return Err(Refused::NotPassed),
        Some("client" | "representative") => {}
        Some(_) if party["permission"] == true && party["client_present"] == true => {}
        Some(_) => return Err(Refused::Party),
    }
    let customer = call["customer"]["id"].as_str().and_then(|id| id.parse().ok());
    customer.ok_or(Refused::NotPassed)
}

/// One look at an account.
struct Look<'a> {
    state: &'a ApiState,
    identity: &'a Identity,
    call: &'a CallId,
    now: Timestamp,
}

impl Look<'_> {
    async fn told(&self, id: CustomerId, with_bank: bool) -> Result<Response, ApiError> {
        let customer = self.state.records.customer(&id).await?;
        let customer = customer.ok_or_else(|| {
            ApiError::not_found("no_such_customer", "the customer of this call is not on file")
        })?;
        if with_bank && has_bank(&customer) {
            self.spend_bank(&id).await?;
        }
        let shown = CustomerDisclosed::of(&customer, with_bank);
        let body = json!({
            "telephone": shown.telephone.is_some(),
            "bank": shown.bank.is_some(),
        });
        self.state.records.audit(self.entry("customer_shown", Some(id), body)).await?;
        Ok(answer(StatusCode::OK, serde_json::to_string(&shown).unwrap_or_default()))
    }

    /// X08: what is told is no question any more, from before it is told.
    async fn spend_bank(&self, customer: &CustomerId) -> Result<(), RecordsError> {
        let Ok(fact) = BANK.parse() else { return Ok(()) };
        let by = &self.identity.agent;
        self.state.records.disclosed(customer, &fact, by, self.call, self.now).await
    }

    async fn refused(&self, call: &Value, refused: Refused) -> ApiError {
        let customer = call["customer"]["id"].as_str().and_then(|id| id.parse().ok());
        let entry = self.entry("customer_refused", customer, json!({ "why": refused.why() }));
        // Refused is refused, on record or not.
        if let Err(error) = self.state.records.audit(entry).await {
            tracing::error!(%error, "a refused look at an account is not on record");
        }
        refused.error()
    }

    fn entry(&self, what: &str, customer: Option<CustomerId>, body: Value) -> AuditEntry {
        AuditEntry {
            at: self.now,
            actor: self.identity.agent.to_string(),
            what: what.into(),
            call: Some(self.call.clone()),
            customer,
            body,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::fixture;

    fn call() -> Value {
        json!({
            "id": "c1", "agent": "alice", "authentication": "authenticated",
            "customer": { "id": "100001" },
            "party": { "role": "client", "set_by": "record", "client_present": null, "permission": null },
        })
    }

    fn seen(call: &Value, name: &str, role: TokenRole) -> Result<CustomerId, Refused> {
        may_see(call, &fixture::identity(name, role, &[]))
    }

    #[test]
    fn c01_nothing_is_told_until_the_call_has_passed() {
        for state in [
            "not_authenticated",
            "partially_verified",
            "in_progress",
            "reset_required",
            "blocked",
            "system_unavailable",
        ] {
            let mut call = call();
            call["authentication"] = state.into();
            for role in [TokenRole::Agent, TokenRole::Supervisor] {
                assert_eq!(seen(&call, "alice", role), Err(Refused::NotPassed), "{state}");
            }
        }
        assert_eq!(seen(&call(), "alice", TokenRole::Agent), Ok("100001".parse().unwrap()));
    }

    #[test]
    fn c52_after_a_failure_nothing_at_all_is_told() {
        let mut call = call();
        call["authentication"] = "failed".into();
        assert_eq!(seen(&call, "alice", TokenRole::Agent), Err(Refused::NotPassed));
        assert_eq!(seen(&call, "chief", TokenRole::Supervisor), Err(Refused::NotPassed));
    }

    #[test]
    fn c82_identity_alone_is_not_enough_the_role_must_be_set() {
        for party in [Value::Null, json!({}), json!({ "role": null })] {
            let mut call = call();
            call["party"] = party;
            assert_eq!(seen(&call, "alice", TokenRole::Agent), Err(Refused::NotPassed));
        }
    }

    #[test]
    fn c14_c16_others_hear_nothing_without_the_present_clients_permission() {
        for (role, present, permission, told) in [
            ("representative", false, false, true),
            ("third_party", false, false, false),
            ("employer", false, false, false),
            ("other", true, false, false),
            ("other", false, true, false),
            ("other", true, true, true),
        ] {
            let mut call = call();
            call["party"] =
                json!({ "role": role, "client_present": present, "permission": permission });
            assert_eq!(seen(&call, "alice", TokenRole::Agent).is_ok(), told, "{role}");
        }
    }

    #[test]
    fn c01_only_the_calls_own_agent_and_supervisors_see_an_account() {
        assert_eq!(seen(&call(), "bob", TokenRole::Agent), Err(Refused::NotYours));
        assert!(seen(&call(), "chief", TokenRole::Supervisor).is_ok());
        let mut nobodys = call();
        nobodys["agent"] = Value::Null;
        assert_eq!(seen(&nobodys, "alice", TokenRole::Agent), Err(Refused::NotYours));
    }
}
