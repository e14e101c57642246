//! What every initial PIN is issued with: the print run that is open, and how it seals.

use std::sync::Arc;
use std::time::Duration;

use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;
use crate::pin::PinError;
use crate::pin::initial::Initials;
use crate::pin::initial::PrintRun;
use crate::records::PinRecords;
use crate::records::RecordsError;
use crate::records::pins::Batch;
use crate::records::pins::Issuing;
use crate::records::pins::SealedInitial;

/// The longest that an initial PIN is good.
pub const TTL_MAX: Duration = Duration::from_hours(336);

/// Everything that [`PinRecords`] needs to issue initial PINs now, good for `ttl` (at most [`TTL_MAX`]).
/// Begins a print run where none is open.
pub async fn issuing(
    records: &dyn PinRecords,
    initials: &Initials,
    ttl: Duration,
    by: &str,
    now: Timestamp,
) -> Result<Issuing, RecordsError> {
    let new_key = initials.wrap_new_key().map_err(|_| sealing())?;
    let batch = records.batch(new_key, now).await?;
    let run = Arc::new(opened(&batch, initials)?);
    let sealer = move |customer: &CustomerId, version| {
        let drawn = run.draw(customer, version).map_err(|_| sealing())?;
        Ok(SealedInitial { envelope: drawn.envelope, verifier: drawn.verifier })
    };
    Ok(Issuing {
        batch: batch.id,
        sealer: Arc::new(sealer),
        expires: now.after(ttl.min(TTL_MAX)),
        by: by.to_owned(),
        now,
    })
}

/// The print run of a batch whose key is still there.
pub(super) fn opened(batch: &Batch, initials: &Initials) -> Result<PrintRun, RecordsError> {
    let key = batch.key.as_ref().ok_or(RecordsError::NoSuch("key of this print run"))?;
    initials.unwrap_key(key).map_err(|error: PinError| {
        let number = batch.id.0;
        RecordsError::Corrupt(format!("print run {number} ({error})"))
    })
}

fn sealing() -> RecordsError {
    RecordsError::Unavailable("an initial PIN could not be drawn and sealed".to_owned())
}
