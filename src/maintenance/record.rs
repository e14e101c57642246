//! The customer record, as far as PIN administrators read and change it. Another address is a reset:
//! the new one has to be proven (P17).

use serde::Serialize;
use serde_json::json;

use crate::maintenance::customer_file::CustomerFile;
use crate::maintenance::customer_file::RowError;
use crate::maintenance::desk::Desk;
use crate::maintenance::desk::Refused;
use crate::maintenance::desk::reasoned;
use crate::maintenance::import::Goal;
use crate::maintenance::import::ImportError;
use crate::maintenance::import::Tally;
use crate::maintenance::import::take_in;
use crate::model::customer::Customer;
use crate::model::customer::Role;
use crate::model::digits::SecretText;
use crate::model::email;
use crate::model::ids::CustomerId;
use crate::model::ids::FactKey;
use crate::records::Enrolment;
use crate::records::RecordsError;

/// Rows of one request, and secrets to hash among them.
const ROWS_MAX: usize = 5_000;
const HASHED_MAX: usize = 16;
/// Bad rows that are told one by one.
const BAD_MAX: usize = 100;

/// What may be seen of a record: no number in full, no address in full, no answer.
#[derive(Debug, Serialize)]
pub struct Record {
    id: CustomerId,
    name: String,
    role: Role,
    represents: Vec<CustomerId>,
    numbers: Vec<String>,
    email: Option<String>,
    language: Option<String>,
    flags: Vec<String>,
    facts: Vec<FactKey>,
}

/// What to change; what is `None` stays.
#[derive(Debug, Default)]
pub struct Change {
    /// Another name.
    pub name: Option<String>,
    /// Another address, or none.
    pub email: Option<Option<SecretText>>,
    /// Another language (BCP 47).
    pub language: Option<String>,
}

/// Why a file is not taken in, or not as a whole.
#[derive(Debug, thiserror::Error)]
pub enum ImportRefused {
    /// More than one request may bring.
    #[error(
        "the file is too large for one request: at most 5000 rows, and 16 PINs and passwords; send it in parts, or use `countersign customer import`"
    )]
    TooLarge,
    /// The header, the store, or hashing.
    #[error(transparent)]
    Failed(#[from] ImportError),
}

impl From<RowError> for ImportRefused {
    fn from(header: RowError) -> Self {
        Self::Failed(header.into())
    }
}

impl From<RecordsError> for ImportRefused {
    fn from(error: RecordsError) -> Self {
        Self::Failed(error.into())
    }
}

impl Desk {
    /// Shows a record. The look is on record first.
    pub async fn record(&self, customer: &CustomerId, actor: &str) -> Result<Record, Refused> {
        let found = self.records.customer(customer).await?;
        let found = found.ok_or(Refused::NoSuchCustomer)?;
        self.note("customer_viewed", Some(customer.clone()), actor, json!({})).await?;
        Ok(Record::of(found))
    }

    /// Takes a customer file in. Few rows may bring a PIN or password: each costs a third of a second.
    pub async fn import(
        &self,
        file: &[u8],
        actor: &str,
    ) -> Result<(Tally, Vec<RowError>), ImportRefused> {
        let (mut rows, mut hashed) = (0_usize, 0_usize);
        for row in CustomerFile::open(file)?.flatten() {
            rows += 1;
            hashed += usize::from(row.pin.is_some()) + usize::from(row.password.is_some());
        }
        if rows > ROWS_MAX || hashed > HASHED_MAX {
            return Err(ImportRefused::TooLarge);
        }
        let body = json!({ "rows": rows });
        self.note("customers_imported", None, actor, body).await?;
        let wall = || self.now();
        let goal = Goal { records: &*self.records, pins: &self.workers, wall: &wall };
        let mut bad = vec![];
        let tally = take_in(goal, file, |row| {
            if bad.len() < BAD_MAX {
                bad.push(row);
            }
        })
        .await?;
        Ok((tally, bad))
    }

    /// Changes a record. Another address of a registered customer resets the PIN, and a new initial
    /// PIN goes out by letter.
    pub async fn change(
        &self,
        customer: &CustomerId,
        change: Change,
        actor: &str,
        reason: &str,
    ) -> Result<Record, Refused> {
        let reason = reasoned(reason)?;
        let mut record = self.records.customer(customer).await?.ok_or(Refused::NoSuchCustomer)?;
        let Change { name, email, language } = change;
        let body = json!({
            "reason": reason, "name": name.is_some(), "email": email.is_some(),
            "language": language.is_some(),
        });
        self.note("customer_changed", Some(customer.clone()), actor, body).await?;
        if let Some(email) = email {
            self.change_email(customer, email.clone(), actor, reason).await?;
            record.email = email;
        }
        record.name = name.unwrap_or(record.name);
        record.language = language.or(record.language);
        let row = Enrolment { customer: record, pin: None, password: None };
        self.records.import(vec![row], self.now()).await?;
        let record = self.records.customer(customer).await?;
        record.map(Record::of).ok_or(Refused::NoSuchCustomer)
    }

    async fn change_email(
        &self,
        customer: &CustomerId,
        email: Option<SecretText>,
        actor: &str,
        reason: &str,
    ) -> Result<(), Refused> {
        let initialized = |account: Option<crate::account::Account>| {
            account.is_some_and(|account| account.initialized)
        };
        let before = initialized(self.records.account(customer).await?);
        self.pins.set_email(customer, email, self.by(actor, reason)).await?;
        if before && !initialized(self.records.account(customer).await?) {
            let issuing = self.issuing(actor).await?;
            self.pins.reset_pin(customer, issuing, self.by(actor, "another address")).await?;
        }
        Ok(())
    }
}

impl Record {
    fn of(customer: Customer) -> Self {
        Self {
            numbers: customer.numbers.iter().map(|on_file| on_file.number.masked()).collect(),
            email: customer.email.as_ref().map(email::masked),
            facts: customer.facts.keys().cloned().collect(),
            id: customer.id,
            name: customer.name,
            role: customer.role,
            represents: customer.represents,
            language: customer.language,
            flags: customer.flags,
        }
    }
}
