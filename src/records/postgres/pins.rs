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
use crate::records::postgres::initials;
use crate::records::postgres::links;
use crate::records::postgres::pin_files;

type Answer<T> = Result<T, RecordsError>;

#[async_trait]
impl PinRecords for PostgresRecords {
    async fn accounts(&self) -> Answer<u64> {
        self.db.read(async |tx| initials::accounts(tx).await).await
    }

    async fn batch(&self, new_key: Vec<u8>, now: Timestamp) -> Answer<Batch> {
        self.kept(self.db.write(async move |tx| initials::batch(tx, &new_key, now).await)).await
    }

    async fn issue_missing(
        &self,
        issuing: Issuing,
        after: Option<CustomerId>,
        limit: usize,
    ) -> Answer<Issued> {
        let work = self.db.write_much(async move |tx| {
            initials::issue_missing(tx, &issuing, after.as_ref(), limit).await
        });
        self.kept(work).await
    }

    async fn reset_pin(&self, customer: &CustomerId, issuing: Issuing, by: By) -> Answer<()> {
        let customer = customer.clone();
        let work =
            self.db.write(async move |tx| pin_files::reset(tx, &customer, &issuing, &by).await);
        self.kept(work).await
    }

    async fn unprinted(&self) -> Answer<Vec<Batch>> {
        self.db.read(async |tx| initials::unprinted(tx).await).await
    }

    async fn close_batch(&self, batch: BatchId, now: Timestamp) -> Answer<()> {
        // It waits for a step of the bulk generation.
        let work = self.db.write_much(async move |tx| initials::close(tx, batch, now).await);
        self.kept(work).await
    }

    async fn letters(
        &self,
        batch: BatchId,
        after: Option<CustomerId>,
        limit: usize,
        now: Timestamp,
    ) -> Answer<Vec<Letter>> {
        self.db
            .read(async move |tx| initials::letters(tx, batch, after.as_ref(), limit, now).await)
            .await
    }

    async fn printed(&self, batch: BatchId, letters: u64, by: By) -> Answer<()> {
        let work =
            self.db.write_much(async move |tx| initials::printed(tx, batch, letters, &by).await);
        self.kept(work).await
    }

    async fn try_initial(
        &self,
        customer: &CustomerId,
        limit: u8,
        now: Timestamp,
    ) -> Answer<Option<Initial>> {
        let customer = customer.clone();
        let work =
            self.db.write(async move |tx| initials::try_one(tx, &customer, limit, now).await);
        self.kept(work).await
    }

    async fn register(
        &self,
        customer: &CustomerId,
        initial: u32,
        chosen: Chosen,
        email: SecretText,
        link: NewLink,
        now: Timestamp,
    ) -> Answer<bool> {
        let customer = customer.clone();
        let work = self.db.write(async move |tx| {
            let mailed = (&email, &link);
            pin_files::register(tx, &customer, initial, &chosen, mailed, now).await
        });
        self.kept(work).await
    }

    async fn mail_link(&self, customer: &CustomerId, link: NewLink, by: By) -> Answer<bool> {
        let customer = customer.clone();
        let work = self.db.write(async move |tx| links::mail(tx, &customer, &link, &by).await);
        self.kept(work).await
    }

    async fn link(&self, id: &str) -> Answer<Option<Link>> {
        let id = id.to_owned();
        let kept = self.db.read(async move |tx| links::one(tx, &id).await).await?;
        Ok(kept.map(|kept| kept.link))
    }

    async fn activate(&self, id: &str, now: Timestamp) -> Answer<Result<CustomerId, LinkRefused>> {
        let id = id.to_owned();
        self.kept(self.db.write(async move |tx| links::activate(tx, &id, now).await)).await
    }

    async fn choose_anew(
        &self,
        id: &str,
        chosen: Chosen,
        now: Timestamp,
    ) -> Answer<Result<CustomerId, LinkRefused>> {
        let id = id.to_owned();
        let work = self.db.write(async move |tx| links::choose_anew(tx, &id, &chosen, now).await);
        self.kept(work).await
    }

    async fn mailed(&self, link: &str, outcome: MailOutcome, now: Timestamp) -> Answer<()> {
        let link = link.to_owned();
        let work = self.db.write(async move |tx| links::mailed(tx, &link, outcome, now).await);
        self.kept(work).await
    }

    async fn tried_early(&self, customer: &CustomerId, now: Timestamp) -> Answer<()> {
        let customer = customer.clone();
        let work = self.db.write(async move |tx| pin_files::tried_early(tx, &customer, now).await);
        self.kept(work).await
    }

    async fn set_email(
        &self,
        customer: &CustomerId,
        email: Option<SecretText>,
        by: By,
    ) -> Answer<()> {
        let customer = customer.clone();
        let work = self
            .db
            .write(async move |tx| pin_files::set_email(tx, &customer, email.as_ref(), &by).await);
        self.kept(work).await
    }

    async fn customers_with_email(
        &self,
        email: &SecretText,
        limit: usize,
    ) -> Answer<Vec<CustomerId>> {
        let email = email.clone();
        self.db.read(async move |tx| pin_files::with_email(tx, &email, limit).await).await
    }

    async fn web_pin(&self, customer: &CustomerId) -> Answer<Option<String>> {
        let customer = customer.clone();
        self.db.read(async move |tx| pin_files::web_pin(tx, &customer).await).await
    }

    async fn ask_unblock(
        &self,
        customer: &CustomerId,
        second_person: bool,
        by: By,
    ) -> Answer<UnblockAsked> {
        let customer = customer.clone();
        let work = self
            .db
            .write(async move |tx| pin_files::ask_unblock(tx, &customer, second_person, &by).await);
        self.kept(work).await
    }

    async fn pin_file(&self, customer: &CustomerId) -> Answer<Option<PinFile>> {
        let customer = customer.clone();
        self.db.read(async move |tx| pin_files::pin_file(tx, &customer).await).await
    }

    async fn estate(&self, now: Timestamp, stuck_before: Timestamp) -> Answer<Estate> {
        self.db.read(async move |tx| pin_files::estate(tx, now, stuck_before).await).await
    }

    async fn stuck(&self, before: Timestamp, limit: usize) -> Answer<Vec<CustomerId>> {
        self.db.read(async move |tx| pin_files::stuck(tx, before, limit).await).await
    }

    async fn repaired(&self, customer: &CustomerId, by: By) -> Answer<u64> {
        let customer = customer.clone();
        let work = self.db.write(async move |tx| pin_files::repaired(tx, &customer, &by).await);
        self.kept(work).await
    }

    async fn audit_of_customer(&self, customer: &CustomerId, limit: usize) -> Answer<Vec<Chained>> {
        self.history(customer, limit).await
    }

    async fn erase(&self, customer: &CustomerId, by: By) -> Answer<bool> {
        self.erase_person(customer, by).await
    }
}
