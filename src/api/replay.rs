//! `GET /v1/calls/{id}/replay`: a past call, decided again from its recorded inputs.

use axum::extract::Path;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use crate::api::ApiState;
use crate::api::body::who;
use crate::api::error::ApiError;
use crate::api::error::json;
use crate::call::transcript::Counted;
use crate::call::transcript::Difference;
use crate::call::transcript::Step;
use crate::call::transcript::Transcript;
use crate::model::ids::CallId;
use crate::policy::Profile;
use crate::records::CallRecord;
use crate::records::Records;
use crate::records::RecordsError;
use crate::wire::identity::TokenRole;

/// Why a call cannot be decided again.
#[derive(Debug, thiserror::Error)]
pub enum NotReplayed {
    /// It is not on record.
    #[error("there is no such call on record; live calls are recorded when they end")]
    NoSuchCall,
    /// It was kept without its inputs.
    #[error("call {0} was recorded without its inputs, by an earlier release")]
    NoInputs(CallId),
    /// Its profile is not archived.
    #[error("the profile {name} ({hash}) is not archived; give its file with --policy")]
    NoProfile {
        /// Its name.
        name: String,
        /// SHA-256 of its text.
        hash: String,
    },
    /// The archived profile cannot be read by this release.
    #[error("the profile of that day cannot be read: {0}")]
    BadProfile(String),
    /// The records did not answer.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

/// A call that was decided again.
#[derive(Debug, Serialize)]
pub struct Replayed {
    /// Which.
    pub call: CallId,
    /// Whether everything came out the same.
    pub same: bool,
    /// The profile it was decided under now.
    pub profile: String,
    /// SHA-256 of that profile's text.
    pub hash: String,
    /// The recorded looks into the decision table.
    pub steps: Vec<Step>,
    /// The recorded questions.
    pub questions: Vec<Counted>,
    /// What came out differently.
    pub differences: Vec<Difference>,
}

/// Decides a recorded call again, under the profile of its day or the one given.
pub async fn replay(
    records: &dyn Records,
    id: &CallId,
    other: Option<Profile>,
) -> Result<Replayed, NotReplayed> {
    let record = records.call(id).await?.ok_or(NotReplayed::NoSuchCall)?;
    let transcript = transcript(&record).ok_or_else(|| NotReplayed::NoInputs(id.clone()))?;
    let profile = match other {
        Some(profile) => profile,
        None => of_its_day(records, &transcript).await?,
    };
    let differences = transcript.again(&profile);
    Ok(Replayed {
        call: id.clone(),
        same: differences.is_empty(),
        profile: profile.name.clone(),
        hash: profile.hash.clone(),
        steps: transcript.steps,
        questions: transcript.questions,
        differences,
    })
}

fn transcript(record: &CallRecord) -> Option<Transcript> {
    let kept = record.view.get("transcript")?;
    serde_json::from_value(kept.clone()).ok()
}

async fn of_its_day(
    records: &dyn Records,
    transcript: &Transcript,
) -> Result<Profile, NotReplayed> {
    let Transcript { profile: name, hash, .. } = transcript;
    let archived = records
        .profile_text(hash)
        .await?
        .ok_or_else(|| NotReplayed::NoProfile { name: name.clone(), hash: hash.clone() })?;
    Profile::parse(&archived.name, &archived.text)
        .map_err(|bad| NotReplayed::BadProfile(bad.to_string()))
}

/// For supervisors.
pub async fn one(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    who(&state, &headers, &[TokenRole::Supervisor]).await?;
    let unknown = || ApiError::not_found("no_such_call", "there is no such call on record");
    let id: CallId = id.parse().map_err(|_| unknown())?;
    match replay(&*state.records, &id, None).await {
        Ok(replayed) => {
            let body = serde_json::to_string(&replayed).unwrap_or_default();
            Ok(json(StatusCode::OK, body))
        }
        Err(NotReplayed::Records(error)) => Err(error.into()),
        Err(why) => Err(ApiError::not_found("not_replayed", why.to_string())),
    }
}
