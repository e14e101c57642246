//! Print runs on their way to the printer: closed, opened once more, and destroyed.

use crate::maintenance::issue;
use crate::model::digits::VoicePin;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;
use crate::pin::initial::Initials;
use crate::pin::initial::PrintRun;
use crate::records::PinRecords;
use crate::records::RecordsError;
use crate::records::pins::Batch;
use crate::records::pins::BatchId;
use crate::records::pins::By;
use crate::records::pins::Letter;

/// Letters read at once.
const PAGE: usize = 1_000;

/// A letter with its PIN, for as long as it is written.
#[derive(Debug)]
pub struct OpenLetter {
    /// To whom, until when.
    pub letter: Letter,
    /// The PIN on it; wiped when dropped.
    pub pin: VoicePin,
}

/// A print run whose letters can be read. Nothing is added to it any more.
#[derive(Debug)]
pub struct OpenRun {
    batch: BatchId,
    run: PrintRun,
    now: Timestamp,
}

/// The print runs that wait for their printing, in order of number.
pub async fn waiting(records: &dyn PinRecords) -> Result<Vec<Batch>, RecordsError> {
    records.unprinted().await
}

impl OpenRun {
    /// Ends adding to a print run, and opens it.
    pub async fn close(
        records: &dyn PinRecords,
        initials: &Initials,
        batch: &Batch,
        now: Timestamp,
    ) -> Result<Self, RecordsError> {
        let run = issue::opened(batch, initials)?;
        records.close_batch(batch.id, now).await?;
        Ok(Self { batch: batch.id, run, now })
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> i64 {
        self.batch.0
    }

    /// Letters after this customer, in order of id; none when that were all. Reads one page: a
    /// million letters need no more memory than a thousand.
    pub async fn letters(
        &self,
        records: &dyn PinRecords,
        after: Option<CustomerId>,
    ) -> Result<Vec<OpenLetter>, RecordsError> {
        let page = records.letters(self.batch, after, PAGE, self.now).await?;
        let open = |letter: Letter| {
            let pin = self.run.open(&letter.customer, letter.version, &letter.envelope);
            let number = self.batch.0;
            let damaged = |error| {
                RecordsError::Corrupt(format!(
                    "envelope of {} in print run {number} ({error})",
                    letter.customer
                ))
            };
            Ok(OpenLetter { pin: pin.map_err(damaged)?, letter })
        };
        page.into_iter().map(open).collect()
    }

    /// The letters are with the printer: destroys the key, so that nobody opens an envelope again.
    pub async fn printed(
        self,
        records: &dyn PinRecords,
        letters: u64,
        by: By,
    ) -> Result<(), RecordsError> {
        records.printed(self.batch, letters, by).await
    }
}
