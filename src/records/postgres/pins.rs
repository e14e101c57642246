//! [`PinRecords`] on PostgreSQL.

use async_trait::async_trait;

use crate::model::digits::SecretText;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;
use crate::records::PinRecords;
use crate::records::RecordsError;
use crate::records::audit::Chained;
use crate::records::pins::Batch;
use crate::records::pins::BatchId;
use crate::records::pins::By;
use crate::records::pins::Chosen;
use crate::records::pins::Estate;
use crate::records::pins::Initial;
use crate::records::pins::Issued;
use crate::records::pins::Issuing;
use crate::records::pins::Letter;
use crate::records::pins::Link;
use crate::records::pins::LinkRefused;
use crate::records::pins::MailOutcome;
use crate::records::pins::NewLink;
use crate::records::pins::PinFile;
use crate::records::pins::UnblockAsked;
use crate::records::postgres::PostgresRecords;

type Answer<T> = Result<T, RecordsError>;

fn never<T>() -> Answer<T> {
    Err(RecordsError::Unavailable("not built".into()))
}

#[rustfmt::skip]
#[async_trait]
impl PinRecords for PostgresRecords {
    async fn accounts(&self) -> Answer<u64> { never() }
    async fn batch(&self, _: Vec<u8>, _: Timestamp) -> Answer<Batch> { never() }
    async fn issue_missing(&self, _: Issuing, _: Option<CustomerId>, _: usize) -> Answer<Issued> { never() }
    async fn reset_pin(&self, _: &CustomerId, _: Issuing, _: By) -> Answer<()> { never() }
    async fn unprinted(&self) -> Answer<Vec<Batch>> { never() }
    async fn close_batch(&self, _: BatchId, _: Timestamp) -> Answer<()> { never() }
    async fn letters(&self, _: BatchId, _: Option<CustomerId>, _: usize, _: Timestamp) -> Answer<Vec<Letter>> { never() }
    async fn printed(&self, _: BatchId, _: u64, _: By) -> Answer<()> { never() }
    async fn try_initial(&self, _: &CustomerId, _: u8, _: Timestamp) -> Answer<Option<Initial>> { never() }
    async fn register(&self, _: &CustomerId, _: u32, _: Chosen, _: SecretText, _: NewLink, _: Timestamp) -> Answer<bool> { never() }
    async fn mail_link(&self, _: &CustomerId, _: NewLink, _: By) -> Answer<bool> { never() }
    async fn link(&self, _: &str) -> Answer<Option<Link>> { never() }
    async fn activate(&self, _: &str, _: Timestamp) -> Answer<Result<CustomerId, LinkRefused>> { never() }
    async fn choose_anew(&self, _: &str, _: Chosen, _: Timestamp) -> Answer<Result<CustomerId, LinkRefused>> { never() }
    async fn mailed(&self, _: &str, _: MailOutcome, _: Timestamp) -> Answer<()> { never() }
    async fn tried_early(&self, _: &CustomerId, _: Timestamp) -> Answer<()> { never() }
    async fn set_email(&self, _: &CustomerId, _: Option<SecretText>, _: By) -> Answer<()> { never() }
    async fn customers_with_email(&self, _: &SecretText, _: usize) -> Answer<Vec<CustomerId>> { never() }
    async fn web_pin(&self, _: &CustomerId) -> Answer<Option<String>> { never() }
    async fn ask_unblock(&self, _: &CustomerId, _: bool, _: By) -> Answer<UnblockAsked> { never() }
    async fn pin_file(&self, _: &CustomerId) -> Answer<Option<PinFile>> { never() }
    async fn estate(&self, _: Timestamp, _: Timestamp) -> Answer<Estate> { never() }
    async fn stuck(&self, _: Timestamp, _: usize) -> Answer<Vec<CustomerId>> { never() }
    async fn repaired(&self, _: &CustomerId, _: By) -> Answer<u64> { never() }
    async fn audit_of_customer(&self, customer: &CustomerId, limit: usize) -> Answer<Vec<Chained>> { self.history(customer, limit).await }
    async fn erase(&self, customer: &CustomerId, by: By) -> Answer<bool> { self.erase_person(customer, by).await }
}
