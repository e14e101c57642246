//! Takes customer files in: rows, secrets that are new, batches (contract §14). For the command, the
//! demo, and `POST /v1/customers:import`.

use futures_util::StreamExt;
use futures_util::stream;

use crate::maintenance::customer_file::CustomerFile;
use crate::maintenance::customer_file::CustomerRow;
use crate::maintenance::customer_file::RowError;
use crate::model::auth::Verdict;
use crate::model::time::Timestamp;
use crate::pin::PinError;
use crate::pin::workers::PinWorkers;
use crate::records::Enrolment;
use crate::records::Imported;
use crate::records::Records;
use crate::records::RecordsError;

/// Rows stored in one transaction.
const BATCH: usize = 200;
/// Customers whose secrets are hashed at a time.
const ENROLLED_AT_ONCE: usize = 16;

/// Where customers and their secrets go.
#[derive(Clone, Copy)]
pub struct Goal<'a> {
    /// The records.
    pub records: &'a dyn Records,
    /// What makes tags and verifiers.
    pub pins: &'a PinWorkers,
    /// The calendar.
    pub wall: &'a (dyn Fn() -> Timestamp + Send + Sync),
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// New customers.
    pub created: usize,
    /// Customers of whom something differed.
    pub changed: usize,
    /// Customers of whom nothing did.
    pub equal: usize,
    /// Rows that could not be read.
    pub bad: usize,
}

/// Why an import ended early. What was stored before is stored; running it again changes nothing twice.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The header.
    #[error(transparent)]
    Header(#[from] RowError),
    /// The store.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// A secret could not be hashed.
    #[error(transparent)]
    Pin(#[from] PinError),
}

/// Takes a customer file in, batch by batch; bad rows are told and skipped.
pub async fn take_in(
    into: Goal<'_>,
    reader: impl std::io::Read + Send,
    mut complain: impl FnMut(RowError) + Send,
) -> Result<Tally, ImportError> {
    let (mut tally, mut batch) = (Tally::default(), vec![]);
    // Several at once: hashing uses every core, reading goes on meanwhile, the order stays.
    let mut rows = stream::iter(CustomerFile::open(reader)?)
        .map(|row| async move {
            match row {
                Ok(row) => enrolment(into, row).await.map(Ok),
                Err(error) => Ok(Err(error)),
            }
        })
        .buffered(ENROLLED_AT_ONCE);
    while let Some(row) = rows.next().await {
        match row? {
            Ok(enrolment) => batch.push(enrolment),
            Err(error) => {
                tally.bad += 1;
                complain(error);
            }
        }
        if batch.len() >= BATCH {
            store(into, std::mem::take(&mut batch), &mut tally).await?;
        }
    }
    store(into, batch, &mut tally).await?;
    Ok(tally)
}

async fn store(
    into: Goal<'_>,
    batch: Vec<Enrolment>,
    tally: &mut Tally,
) -> Result<(), ImportError> {
    for imported in into.records.import(batch, (into.wall)()).await? {
        match imported {
            Imported::Created => tally.created += 1,
            Imported::Changed => tally.changed += 1,
            Imported::Equal => tally.equal += 1,
        }
    }
    Ok(())
}

/// Makes tags and verifiers for secrets that are new; what is enrolled already stays as it is.
async fn enrolment(into: Goal<'_>, row: CustomerRow) -> Result<Enrolment, ImportError> {
    let Goal { records, pins, .. } = into;
    let CustomerRow { customer, pin, password, .. } = row;
    let id = &customer.id;
    let pin = match pin {
        None => None,
        Some(pin) => {
            let same = match records.sealed_pin(id).await? {
                Some(sealed) => pins.matches_whole(id, &sealed, &pin).await? == Verdict::Correct,
                None => false,
            };
            let version = records.next_pin_version(id).await?;
            if same { None } else { Some(pins.enrol(id, version, pin).await?) }
        }
    };
    let password = match password {
        None => None,
        Some(password) => {
            let same = match records.password_verifier(id).await? {
                Some(verifier) => {
                    let verdict = pins.verify_password(Some(verifier), password.clone()).await?;
                    verdict == Verdict::Correct
                }
                None => false,
            };
            if same { None } else { Some(pins.hash_password(password).await?) }
        }
    };
    Ok(Enrolment { customer, pin, password })
}
