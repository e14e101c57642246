//! What the rest of the daemon asks of PairVault: verify, enrol, compare. All work is done in [`Lanes`].

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use subtle::Choice;
use zeroize::Zeroizing;

use crate::model::auth::Verdict;
use crate::model::digits::Positions;
use crate::model::digits::SecretKeys;
use crate::model::digits::SecretText;
use crate::model::digits::VoicePin;
use crate::model::ids::CustomerId;
use crate::model::sealed_pin::SealedPin;
use crate::pin::PinError;
use crate::pin::initial::Initials;
use crate::pin::kdf::Cost;
use crate::pin::lanes::Lane;
use crate::pin::lanes::Lanes;
use crate::pin::lanes::Limits;
use crate::pin::links::Links;
use crate::pin::password;
use crate::pin::pepper::Pepper;
use crate::pin::vault::Lock;
use crate::pin::vault::Tag;
use crate::pin::web_pin;

/// How much hashing costs and how much of it may wait. The section `[pin]`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PinParams {
    /// Argon2id memory in KiB of new records.
    pub memory_kib: u32,
    /// Argon2id passes of new records.
    pub iterations: u32,
    /// Threads; 0: one per core.
    pub permits: usize,
    /// Callers that may wait.
    pub queue: usize,
    /// The longest a caller may wait before the hash starts.
    pub wait: Duration,
}

impl Default for PinParams {
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            iterations: 2,
            permits: 0,
            queue: 64,
            wait: Duration::from_secs(2),
        }
    }
}

/// Why the workers could not be started.
#[derive(Debug, thiserror::Error)]
pub enum PinStartError {
    /// Memory or passes are out of bounds.
    #[error("memory_kib is 8 to 262144 and iterations 1 to 16")]
    Cost,
    /// The system gives us no thread.
    #[error("the PIN threads cannot be started")]
    Threads(#[from] io::Error),
    /// The cryptography refused, which it never does for parameters within bounds.
    #[error(transparent)]
    Pin(#[from] PinError),
}

/// The verifier of PINs and passwords.
#[derive(Debug)]
pub struct PinWorkers {
    lanes: Lanes,
    pepper: Arc<Pepper>,
    cost: Cost,
    dummy: Dummy,
}

struct Dummy {
    lock: Arc<Lock>,
    sealed: SealedPin,
    password: String,
}

impl PinWorkers {
    /// Four pairs that name all seven positions.
    const WHOLE: [(u8, u8); 4] = [(1, 2), (3, 4), (5, 6), (6, 7)];

    /// Starts the threads.
    pub fn start(params: PinParams, pepper: Pepper) -> Result<Self, PinStartError> {
        let cost = Cost::new(params.memory_kib, params.iterations).ok_or(PinStartError::Cost)?;
        let pepper = Arc::new(pepper);
        let (lock, sealed) = Lock::dummy(Arc::clone(&pepper), cost)?;
        let password = password::dummy(&pepper, cost)?;
        let dummy = Dummy { lock: Arc::new(lock), sealed, password };
        let threads = match params.permits {
            0 => thread::available_parallelism().map_or(1, usize::from),
            some => some,
        };
        let limits = Limits { threads, queue: params.queue, wait: params.wait };
        Ok(Self { lanes: Lanes::start(limits, cost)?, pepper, cost, dummy })
    }

    /// Judges a pair of keys. `None` for accounts that are unknown, blocked or without a PIN does
    /// the same work and is always wrong, so that time tells nobody which accounts exist (5.1).
    pub async fn verify(
        &self,
        account: &CustomerId,
        sealed: Option<SealedPin>,
        positions: Positions,
        keys: SecretKeys,
    ) -> Result<Verdict, PinError> {
        let judged = self.judge(account, sealed, positions, keys).await;
        let result = match &judged {
            Ok(Verdict::Correct) => "correct",
            Ok(Verdict::Wrong) => "incorrect",
            Err(PinError::Busy | PinError::Corrupt) => "unavailable",
        };
        metrics::counter!("countersign_pin_verifications_total", "result" => result).increment(1);
        judged
    }

    /// Makes the pair tags of a new PIN: 21 runs, one after the other, so that calls come between.
    pub async fn enrol(
        &self,
        account: &CustomerId,
        pin_version: u32,
        pin: VoicePin,
    ) -> Result<SealedPin, PinError> {
        let lock = Arc::new(Lock::new(Arc::clone(&self.pepper), account, pin_version, self.cost));
        let mut tags = Vec::with_capacity(usize::from(Positions::COUNT));
        for positions in (0..Positions::COUNT).filter_map(Positions::from_index) {
            tags.push(self.tag(&lock, positions, &pin).await?);
        }
        lock.seal(pin_version, &tags)
    }

    /// Whether a whole PIN is the enrolled one: an import run again must not enrol it anew.
    pub async fn matches_whole(
        &self,
        account: &CustomerId,
        sealed: &SealedPin,
        pin: &VoicePin,
    ) -> Result<Verdict, PinError> {
        let lock = Arc::new(Lock::of(Arc::clone(&self.pepper), account, sealed)?);
        let table = lock.open(sealed)?;
        let mut all = Choice::from(1);
        for positions in Self::WHOLE.into_iter().filter_map(|pair| Positions::try_from(pair).ok()) {
            all &= table.holds(positions, &self.tag(&lock, positions, pin).await?);
        }
        Ok(verdict(all))
    }

    /// Whether a stored PIN could be used: bounds, pepper and seal, without hashing.
    pub fn check(&self, account: &CustomerId, sealed: &SealedPin) -> Result<(), PinError> {
        Lock::of(Arc::clone(&self.pepper), account, sealed)?.open(sealed).map(drop)
    }

    /// Makes the verifier of a new password.
    pub async fn hash_password(&self, password: SecretText) -> Result<String, PinError> {
        let (pepper, cost) = (Arc::clone(&self.pepper), self.cost);
        self.lanes
            .run(Lane::Enrolment, move |kdf| password::hash(kdf, &pepper, cost, &password))
            .await
    }

    /// Judges a password. `None` does the same work and is always wrong.
    pub async fn verify_password(
        &self,
        stored: Option<String>,
        password: SecretText,
    ) -> Result<Verdict, PinError> {
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.dummy.password.clone());
        let pepper = Arc::clone(&self.pepper);
        let work = move |kdf: &mut _| password::verify(kdf, &pepper, &stored, &password);
        let judged = self.lanes.run(Lane::Live, work).await?;
        Ok(if known { judged } else { Verdict::Wrong })
    }

    /// Makes the verifier of a new web PIN (X17). It is good for this account alone.
    pub async fn hash_web_pin(
        &self,
        account: &CustomerId,
        typed: SecretText,
    ) -> Result<String, PinError> {
        let (pepper, cost, account) = (Arc::clone(&self.pepper), self.cost, account.clone());
        let work = move |kdf: &mut _| web_pin::hash(kdf, &pepper, cost, &account, &typed);
        self.lanes.run(Lane::Enrolment, work).await
    }

    /// Judges a web PIN, letter by letter (P27). `None` does the same work and is always wrong.
    pub async fn verify_web_pin(
        &self,
        account: &CustomerId,
        stored: Option<String>,
        typed: SecretText,
    ) -> Result<Verdict, PinError> {
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.dummy.password.clone());
        let (pepper, account) = (Arc::clone(&self.pepper), account.clone());
        let work = move |kdf: &mut _| web_pin::verify(kdf, &pepper, &stored, &account, &typed);
        let judged = self.lanes.run(Lane::Live, work).await?;
        Ok(if known { judged } else { Verdict::Wrong })
    }

    /// What makes and reads the tokens of mailed links.
    #[must_use]
    pub fn links(&self) -> Links {
        Links::new(Arc::clone(&self.pepper))
    }

    /// What draws, seals and verifies initial PINs under the same pepper.
    #[must_use]
    pub fn initials(&self) -> Initials {
        Initials::new(Arc::clone(&self.pepper))
    }

    /// The positions to ask of somebody we do not know, always the same for the same claim.
    #[must_use]
    pub fn made_up_positions(&self, claimed: &str) -> Positions {
        self.pepper.made_up_positions(claimed)
    }

    /// Decides which questions are drawn of an account in this round: not to be foretold, and the
    /// same for everybody who rings before the round is over (5.6, X35).
    #[must_use]
    pub fn question_seed(&self, account: &CustomerId, round: u64) -> u64 {
        self.pepper.question_seed(account, round)
    }

    async fn judge(
        &self,
        account: &CustomerId,
        sealed: Option<SealedPin>,
        positions: Positions,
        keys: SecretKeys,
    ) -> Result<Verdict, PinError> {
        let known = Choice::from(u8::from(sealed.is_some()));
        let (lock, sealed) = match sealed {
            Some(sealed) => {
                (Arc::new(Lock::of(Arc::clone(&self.pepper), account, &sealed)?), sealed)
            }
            None => (Arc::clone(&self.dummy.lock), self.dummy.sealed.clone()),
        };
        let work = move |kdf: &mut _| {
            let table = lock.open(&sealed)?;
            let mut keyed = keys.expose().iter().copied();
            let mut next = || keyed.next().unwrap_or(u8::MAX);
            let pair = Zeroizing::new([next(), next()]);
            let tag = lock.tag(kdf, positions, *pair)?;
            let two = Choice::from(u8::from(keys.len() == 2));
            Ok(verdict(table.holds(positions, &tag) & two & known))
        };
        self.lanes.run(Lane::Live, work).await
    }

    async fn tag(
        &self,
        lock: &Arc<Lock>,
        positions: Positions,
        pin: &VoicePin,
    ) -> Result<Tag, PinError> {
        let lock = Arc::clone(lock);
        let digits = [pin.expose(positions.first()), pin.expose(positions.second())];
        let digits = Zeroizing::new(digits);
        self.lanes.run(Lane::Enrolment, move |kdf| lock.tag(kdf, positions, *digits)).await
    }
}

impl std::fmt::Debug for Dummy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dummy")
    }
}

fn verdict(right: Choice) -> Verdict {
    if bool::from(right) { Verdict::Correct } else { Verdict::Wrong }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::digits::Key;

    fn workers() -> PinWorkers {
        let params = PinParams { memory_kib: 8, iterations: 1, permits: 2, ..PinParams::default() };
        PinWorkers::start(params, Pepper::from_bytes(&[7; 32]).expect("32 bytes")).expect("started")
    }

    fn id(text: &str) -> CustomerId {
        text.parse().expect("an id")
    }

    fn keys(text: &str) -> SecretKeys {
        let mut keys = SecretKeys::default();
        text.chars().filter_map(Key::from_char).for_each(|key| keys.push(key));
        keys
    }

    fn pin(text: &str) -> VoicePin {
        VoicePin::parse(text).expect("a PIN")
    }

    #[tokio::test]
    async fn c33_each_of_the_21_pairs_passes_with_its_two_digits_and_no_others() {
        let (workers, digits) = (workers(), ['9', '0', '8', '1', '7', '2', '6']);
        let sealed = workers.enrol(&id("c-1"), 1, pin("9081726")).await.expect("enrolled");
        for pair in (0..21).filter_map(Positions::from_index) {
            let at = |number: u8| digits[usize::from(number) - 1];
            let right = format!("{}{}", at(pair.first().number()), at(pair.second().number()));
            let swapped: String = right.chars().rev().collect();
            for (said, verdict) in [(&right, Verdict::Correct), (&swapped, Verdict::Wrong)] {
                let judged =
                    workers.verify(&id("c-1"), Some(sealed.clone()), pair, keys(said)).await;
                assert_eq!(judged, Ok(verdict), "{pair:?} {said}");
            }
        }
    }

    #[tokio::test]
    async fn wrong_keys_of_any_kind_are_wrong_and_never_an_error() {
        let workers = workers();
        let sealed = workers.enrol(&id("c-1"), 1, pin("9081726")).await.expect("enrolled");
        for said in ["", "9", "908", "*#", "AB", "9D", "9000000000000000000000000"] {
            let judged = workers
                .verify(&id("c-1"), Some(sealed.clone()), Positions::FIRST, keys(said))
                .await;
            assert_eq!(judged, Ok(Verdict::Wrong), "{said}");
        }
    }

    #[tokio::test]
    async fn x5_1_nobody_and_everybody_without_a_pin_is_wrong_at_the_same_cost() {
        let workers = workers();
        let judged = workers.verify(&id("nobody"), None, Positions::FIRST, keys("90")).await;
        assert_eq!(judged, Ok(Verdict::Wrong));
        let judged = workers.verify_password(None, SecretText::new("blue horse".into())).await;
        assert_eq!(judged, Ok(Verdict::Wrong));
    }

    #[tokio::test]
    async fn a_row_of_another_account_is_damage_and_counts_nothing() {
        let workers = workers();
        let sealed = workers.enrol(&id("c-1"), 1, pin("9081726")).await.expect("enrolled");
        assert_eq!(workers.check(&id("c-1"), &sealed), Ok(()));
        assert_eq!(workers.check(&id("c-2"), &sealed), Err(PinError::Corrupt));
        let judged = workers.verify(&id("c-2"), Some(sealed), Positions::FIRST, keys("90")).await;
        assert_eq!(judged, Err(PinError::Corrupt));
    }

    #[tokio::test]
    async fn p04_an_import_run_again_recognises_pin_and_password() {
        let workers = workers();
        let sealed = workers.enrol(&id("c-1"), 1, pin("9081726")).await.expect("enrolled");
        for (again, verdict) in [
            ("9081726", Verdict::Correct),
            ("9081727", Verdict::Wrong),
            ("0981726", Verdict::Wrong),
        ] {
            assert_eq!(
                workers.matches_whole(&id("c-1"), &sealed, &pin(again)).await,
                Ok(verdict),
                "{again}"
            );
        }
        let stored =
            workers.hash_password(SecretText::new("Blue Horse".into())).await.expect("hashed");
        let judged =
            workers.verify_password(Some(stored), SecretText::new("blue horse".into())).await;
        assert_eq!(judged, Ok(Verdict::Correct));
    }

    #[tokio::test]
    async fn p11_workers_print_no_key() {
        let shown = format!("{:?}", workers());
        assert!(
            shown.contains("Pepper(") && !shown.contains("secret") && !shown.contains("key"),
            "{shown}"
        );
    }

    #[test]
    fn parameters_out_of_bounds_do_not_start() {
        let params = PinParams { memory_kib: 4_194_304, ..PinParams::default() };
        let started = PinWorkers::start(params, Pepper::from_bytes(&[7; 32]).expect("32 bytes"));
        assert!(matches!(started, Err(PinStartError::Cost)));
    }
}
