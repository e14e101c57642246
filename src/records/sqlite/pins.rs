//! [`PinRecords`] on the threads of a file.

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
use crate::records::sqlite::SqliteRecords;
use crate::records::sqlite::erase;
use crate::records::sqlite::initials;
use crate::records::sqlite::journal;
use crate::records::sqlite::links;
use crate::records::sqlite::pin_files;

type Answer<T> = Result<T, RecordsError>;

#[async_trait]
impl PinRecords for SqliteRecords {
    async fn accounts(&self) -> Answer<u64> {
        self.threads.read_long(initials::accounts).await
    }

    async fn batch(&self, new_key: Vec<u8>, now: Timestamp) -> Answer<Batch> {
        self.threads.write(move |db| initials::batch(db, &new_key, now)).await
    }

    async fn issue_missing(
        &self,
        issuing: Issuing,
        after: Option<CustomerId>,
        limit: usize,
    ) -> Answer<Issued> {
        let work = move |db: &_| initials::issue_missing(db, &issuing, after.as_ref(), limit);
        self.threads.write(work).await
    }

    async fn reset_pin(&self, customer: &CustomerId, issuing: Issuing, by: By) -> Answer<()> {
        let customer = customer.clone();
        self.threads.write(move |db| pin_files::reset(db, &customer, &issuing, &by)).await
    }

    async fn unprinted(&self) -> Answer<Vec<Batch>> {
        self.threads.read(initials::unprinted).await
    }

    async fn close_batch(&self, batch: BatchId, now: Timestamp) -> Answer<()> {
        self.threads.write(move |db| initials::close(db, batch, now)).await
    }

    async fn letters(
        &self,
        batch: BatchId,
        after: Option<CustomerId>,
        limit: usize,
        now: Timestamp,
    ) -> Answer<Vec<Letter>> {
        let work = move |db: &_| initials::letters(db, batch, after.as_ref(), limit, now);
        self.threads.read_long(work).await
    }

    async fn printed(&self, batch: BatchId, letters: u64, by: By) -> Answer<()> {
        self.threads.write(move |db| initials::printed(db, batch, letters, &by)).await?;
        self.cut_log().await;
        Ok(())
    }

    async fn try_initial(
        &self,
        customer: &CustomerId,
        limit: u8,
        now: Timestamp,
    ) -> Answer<Option<Initial>> {
        let customer = customer.clone();
        self.threads.write(move |db| initials::try_one(db, &customer, limit, now)).await
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
        let work = move |db: &_| {
            pin_files::register(db, &customer, initial, &chosen, (&email, &link), now)
        };
        self.threads.write(work).await
    }

    async fn mail_link(&self, customer: &CustomerId, link: NewLink, by: By) -> Answer<bool> {
        let customer = customer.clone();
        self.threads.write(move |db| links::mail(db, &customer, &link, &by)).await
    }

    async fn link(&self, id: &str) -> Answer<Option<Link>> {
        let id = id.to_owned();
        let work = move |db: &_| Ok(links::one(db, &id)?.map(|kept| kept.link));
        self.threads.read(work).await
    }

    async fn activate(&self, id: &str, now: Timestamp) -> Answer<Result<CustomerId, LinkRefused>> {
        let id = id.to_owned();
        self.threads.write(move |db| links::activate(db, &id, now)).await
    }

    async fn choose_anew(
        &self,
        id: &str,
        chosen: Chosen,
        now: Timestamp,
    ) -> Answer<Result<CustomerId, LinkRefused>> {
        let id = id.to_owned();
        self.threads.write(move |db| links::choose_anew(db, &id, &chosen, now)).await
    }

    async fn mailed(&self, link: &str, outcome: MailOutcome, now: Timestamp) -> Answer<()> {
        let link = link.to_owned();
        self.threads.write(move |db| links::mailed(db, &link, outcome, now)).await
    }

    async fn tried_early(&self, customer: &CustomerId, now: Timestamp) -> Answer<()> {
        let customer = customer.clone();
        self.threads.write(move |db| pin_files::tried_early(db, &customer, now)).await
    }

    async fn set_email(
        &self,
        customer: &CustomerId,
        email: Option<SecretText>,
        by: By,
    ) -> Answer<()> {
        let customer = customer.clone();
        let work = move |db: &_| pin_files::set_email(db, &customer, email.as_ref(), &by);
        self.threads.write(work).await
    }

    async fn customers_with_email(
        &self,
        email: &SecretText,
        limit: usize,
    ) -> Answer<Vec<CustomerId>> {
        let email = email.clone();
        self.threads.read(move |db| pin_files::with_email(db, &email, limit)).await
    }

    async fn web_pin(&self, customer: &CustomerId) -> Answer<Option<String>> {
        let customer = customer.clone();
        self.threads.read(move |db| pin_files::web_pin(db, &customer)).await
    }

    async fn ask_unblock(
        &self,
        customer: &CustomerId,
        second_person: bool,
        by: By,
    ) -> Answer<UnblockAsked> {
        let customer = customer.clone();
        let work = move |db: &_| pin_files::ask_unblock(db, &customer, second_person, &by);
        self.threads.write(work).await
    }

    async fn pin_file(&self, customer: &CustomerId) -> Answer<Option<PinFile>> {
        let customer = customer.clone();
        self.threads.read(move |db| pin_files::pin_file(db, &customer)).await
    }

    async fn estate(&self, now: Timestamp, stuck_before: Timestamp) -> Answer<Estate> {
        self.threads.read_long(move |db| pin_files::estate(db, now, stuck_before)).await
    }

    async fn stuck(&self, before: Timestamp, limit: usize) -> Answer<Vec<CustomerId>> {
        self.threads.read_long(move |db| pin_files::stuck(db, before, limit)).await
    }

    async fn repaired(&self, customer: &CustomerId, by: By) -> Answer<u64> {
        let customer = customer.clone();
        self.threads.write(move |db| pin_files::repaired(db, &customer, &by)).await
    }

    async fn audit_of_customer(&self, customer: &CustomerId, limit: usize) -> Answer<Vec<Chained>> {
        let customer = customer.clone();
        self.threads.read(move |db| journal::audit_of_customer(db, &customer, limit)).await
    }

    async fn erase(&self, customer: &CustomerId, by: By) -> Answer<bool> {
        let customer = customer.clone();
        let erased = self.threads.write(move |db| erase::erase(db, &customer, &by)).await?;
        if erased {
            self.threads.alone(erase::clean).await?;
        }
        Ok(erased)
    }
}
