//! Words for the agent: what is said in which situation, and what is never said. A profile writes
//! over any of them; all of them are linted (C10, O04).

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::account::BlockRule;

/// Terms the mission replaced (C10), in small letters. Found as whole words, in any spelling.
pub const LEGACY_TERMS: &[&str] = &[
    "parent with care",
    "parents with care",
    "person with care",
    "persons with care",
    "pwc",
    "non resident parent",
    "non resident parents",
    "nonresident parent",
    "nonresident parents",
    "nrp",
    "nrps",
    "absent parent",
    "absent parents",
    "custodial parent",
    "non custodial parent",
    "child support agency",
    "csa",
];

/// Openings that put people on the defensive (O04), in small letters.
pub const FORBIDDEN_OPENINGS: &[&str] =
    &["before we start", "before we begin", "security questions"];

/// Situations and what the agent says in them, where a profile says nothing else. What is said until
/// we have proved ourselves on an outbound call stands in `[outbound.texts]`.
pub const SITUATIONS: &[(&str, &str)] = &[
    ("party", "May I ask who I am speaking to? Are you the customer, or do you speak for someone?"),
    ("client_present", "Is the customer there with you? I need to speak to them first."),
    ("permission", "Are you happy for me to talk about your account with the person beside you?"),
    (
        "pin",
        "I would like to check your PIN. Please key each digit on your phone when you hear its position; do not say it aloud.",
    ),
    ("pin_running", "Please wait for each position, then press that one digit."),
    ("password", "Please tell me the password you chose with us."),
    ("questions", "Thank you. I have a few short questions about your account."),
    ("transitional", "Thank you. Please confirm a few details we hold for you."),
    (
        "employer",
        "Please confirm the name of your organisation, and that I am speaking to the payroll department.",
    ),
    ("passed", "Thank you, that is all I needed. How can I help you today?"),
    (
        "compensated",
        "Thank you, that is all I needed. Please have your PIN and password ready next time; we will need both.",
    ),
    (
        "failed",
        "I am sorry, I could not complete the check, so I cannot discuss the account today.",
    ),
    (
        "call_back_offer",
        "I could not complete the check. We can ring you back on the number we hold for you. Would you like that?",
    ),
    (
        "call_back",
        "Thank you for taking our call. I have a few short questions about your account.",
    ),
    (
        "blocked",
        "I am sorry, I cannot discuss this account by phone until its security details have been renewed.",
    ),
    (
        "reset_required",
        "Your security details need to be renewed before we go on. I cannot do that in this call.",
    ),
    (
        "unavailable",
        "I am sorry, our system cannot complete the check at the moment. Nothing counts against you.",
    ),
    (
        "third_party",
        "I cannot share customer details with you. I can tell you how your organisation gets in touch.",
    ),
    ("enrolment", "Thank you. Now please choose a new PIN and a new password with me."),
    ("bogus", "I cannot go on with this call. Goodbye."),
];

/// Sentences for the agent, one per outcome and step.
#[derive(Clone, Debug)]
pub struct Texts {
    /// Passed (B13).
    pub passed: String,
    /// Failed (B15, C47: no hint which answer was wrong).
    pub failed: String,
    /// The account is blocked (C77).
    pub blocked: String,
    /// A reset comes first (C44).
    pub reset_required: String,
    /// We could not check (C51).
    pub unavailable: String,
    /// Shown once after a compensated pass, to be acknowledged (C43).
    pub reminder: String,
    /// Said after the security details were reset; speaks of calls, as the rule does (C56, C67, X01).
    pub advice: String,
    /// The offer after a failed inbound check (C48).
    pub call_back_offer: String,
    /// Where we will ring, without a digit of it (C52).
    pub call_back_held: String,
    /// Why the call ends when the client is not there (C15).
    pub end: String,
    /// The outcome of a failed call, to the letter (C69).
    pub failed_outcome: String,
    /// A third-party organisation without security of its own (C16).
    pub third_party: String,
    /// The client's permission for another person, this call only (C13, C14).
    pub grant: String,
    /// The telephone is no way to identify this customer: we write (X07, X30).
    pub by_letter: String,
    /// Organisation and payroll are confirmed (C08).
    pub employer: String,
}

/// `[texts]` as written; what is left out has a default.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawTexts {
    passed: Option<String>,
    failed: Option<String>,
    blocked: Option<String>,
    reset_required: Option<String>,
    unavailable: Option<String>,
    reminder: Option<String>,
    advice: Option<String>,
    call_back_offer: Option<String>,
    call_back_held: Option<String>,
    end: Option<String>,
    failed_outcome: Option<String>,
    third_party: Option<String>,
    grant: Option<String>,
    by_letter: Option<String>,
    employer: Option<String>,
}

impl RawTexts {
    pub(super) fn complete(self, block: BlockRule) -> Texts {
        let or = |written: Option<String>, default: &str| {
            expand(&written.unwrap_or_else(|| default.to_owned()), block)
        };
        Texts {
            passed: or(
                self.passed,
                "The caller is authenticated. Establish the reason for the call.",
            ),
            failed: or(
                self.failed,
                "The check was not passed. Do not discuss the account, and do not say which answer was wrong.",
            ),
            blocked: or(
                self.blocked,
                "This account is blocked after {failed_calls}. Do not discuss it; its security details must be renewed first.",
            ),
            reset_required: or(
                self.reset_required,
                "The security details must be reset before this account can be discussed.",
            ),
            unavailable: or(
                self.unavailable,
                "We cannot check this caller at the moment. Nothing was counted; offer a call back.",
            ),
            reminder: or(
                self.reminder,
                "An additional question was used. Tell the caller: next time the correct PIN and password are needed before the call can go on.",
            ),
            advice: or(
                self.advice,
                "Tell the caller: the account is blocked after {failed_calls} in a row.",
            ),
            call_back_offer: or(
                self.call_back_offer,
                "Offer a call back, in which three further questions are asked.",
            ),
            call_back_held: or(
                self.call_back_held,
                "We will ring the number we hold. Do not confirm any digit of it.",
            ),
            end: or(
                self.end,
                "The customer is not present. Explain that data protection does not let us go on, and end the call.",
            ),
            failed_outcome: or(self.failed_outcome, "Failed ID Security Check"),
            third_party: or(
                self.third_party,
                "A third party without security details of its own: follow the third-party contact procedure and ask for no customer details.",
            ),
            by_letter: or(
                self.by_letter,
                "We cannot make sure on the telephone whom we speak with, so we write instead. Do not discuss the account.",
            ),
            employer: or(
                self.employer,
                "The payroll department is confirmed. Speak about payroll matters only; give no data of the client.",
            ),
            grant: or(
                self.grant,
                "Ask the customer, once checked, whether the other person may continue. Their permission holds for this call only.",
            ),
        }
    }
}

/// What the agent says, by situation: the profile's words before ours.
pub(super) fn say(
    mut written: BTreeMap<String, String>,
    block: BlockRule,
) -> BTreeMap<String, String> {
    let sentence = |(situation, ours): &(&str, &str)| {
        let text = written.remove(*situation).unwrap_or_else(|| (*ours).to_owned());
        ((*situation).to_owned(), expand(&text, block))
    };
    SITUATIONS.iter().map(sentence).collect()
}

/// `{failed_calls}` becomes what the block rule says: "three failed calls" (X01).
fn expand(text: &str, block: BlockRule) -> String {
    text.replace("{failed_calls}", &failed_calls(block.failed_calls))
}

fn failed_calls(count: u8) -> String {
    const WORDS: [&str; 11] =
        ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    let word = WORDS.get(usize::from(count)).map_or_else(|| count.to_string(), ToString::to_string);
    format!("{word} failed {}", if count == 1 { "call" } else { "calls" })
}

/// The first of these phrases a text holds, as whole words in any spelling.
pub(super) fn phrase_in<'a>(text: &str, phrases: &[&'a str]) -> Option<&'a str> {
    let plain: String = text
        .chars()
        .flat_map(char::to_lowercase)
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .collect();
    let words = format!(" {} ", plain.split_whitespace().collect::<Vec<_>>().join(" "));
    phrases.iter().find(|phrase| words.contains(&format!(" {phrase} "))).copied()
}

/// The first `{…}` that nothing will be written into.
pub(super) fn unknown_placeholder(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once('{')?;
    let (name, rest) = rest.split_once('}').unwrap_or((rest, ""));
    if name == "failed_calls" { unknown_placeholder(rest) } else { Some(name) }
}
