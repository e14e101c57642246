//! What desktops may ask of a call, and what comes of it.

use serde_json::json;

use crate::call::Call;
use crate::call::effect::Effect;
use crate::call::facts::Facts;
use crate::call::facts::QuestionsAsked;
use crate::call::input::Down;
use crate::call::input::Input;
use crate::call::input::Judgement;
use crate::call::input::Reply;
use crate::call::phase::Phase;
use crate::call::request::Asker;
use crate::call::request::Refusal;
use crate::call::request::Request;
use crate::model::auth::Verdict;
use crate::model::cause::Cause;
use crate::model::digits::SecretText;
use crate::model::ids::AgentId;
use crate::model::ids::FactKey;
use crate::model::time::Now;
use crate::policy::Reveal;
use crate::policy::table;

/// What the call allows now, in the words of the contract.
#[must_use]
pub fn actions(facts: &Facts, phase: &Phase) -> Vec<&'static str> {
    if matches!(phase, Phase::Released) {
        return vec![];
    }
    if facts.agent.is_none() {
        return vec!["claim"];
    }
    let mut allowed = vec![];
    if facts.ended_at.is_none() {
        allowed.push("release");
        if matches!(phase, Phase::Capture { .. }) {
            allowed.push("cancel_pin");
        }
        let entries_left = facts.entries < facts.profile.capture.attempts;
        let skipped = facts.factors.pin == table::Pin::Skipped && facts.customer.is_some();
        let open = facts.verdict.is_none() && !facts.authentication.is_final();
        if matches!(phase, Phase::Closing { .. }) && skipped && entries_left && open {
            allowed.push("collect_pin");
        }
        if facts.password_due {
            allowed.push("password");
        }
        if let Some(questions) = questions_due(facts) {
            allowed.push(if questions.reveal == Reveal::Blind { "answer" } else { "mark" });
            if questions.reveal == Reveal::OnClick {
                allowed.extend(["answer", "reveal"]);
            }
            allowed.push("finish");
        }
    }
    if matches!(phase, Phase::HandedOver { .. } | Phase::WrapUp { .. }) {
        allowed.push("wrap_up");
    }
    allowed
}

/// The questions, while they can still be answered.
fn questions_due(facts: &Facts) -> Option<&QuestionsAsked> {
    let open = facts.factors.questions == table::Questions::Pending
        && facts.verdict.is_none()
        && !facts.authentication.is_final();
    facts.questions.as_ref().filter(|_| open)
}

/// Answers what comes in after the call is over.
pub(crate) fn too_late(input: Input) -> Vec<Effect> {
    match input {
        Input::Request { reply, .. }
        | Input::Revealed { reply, .. }
        | Input::PasswordJudged { reply, .. } => {
            vec![Effect::Answered(reply, Err(Refusal::NoSuchCall))]
        }
        Input::Reserved(Ok(ticket)) => vec![Effect::Settle { ticket, verdict: None }],
        Input::LookedUp(_)
        | Input::KeyedLookedUp(_)
        | Input::Drawn(_)
        | Input::Reserved(Err(_))
        | Input::Judged(_)
        | Input::Settled(_)
        | Input::ResultRecorded(_)
        | Input::Event(_)
        | Input::DeadlineReached
        | Input::MakeRoom
        | Input::Shutdown => vec![],
    }
}

fn done(reply: Reply) -> Effect {
    Effect::Answered(reply, Ok(()))
}

fn audit(by: &AgentId, what: &'static str, body: serde_json::Value) -> Effect {
    Effect::Audit { actor: by.to_string(), what, body }
}

/// Whether two answers are the same: letters in any case, without currency signs and the commas in
/// numbers, other marks as spaces. Amounts and dates have to agree exactly (X15).
fn same_answer(on_file: &str, said: &str) -> bool {
    let (on_file, said) = (plain_answer(on_file), plain_answer(said));
    !said.is_empty() && on_file == said
}

fn plain_answer(text: &str) -> String {
    let characters: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
    let digit =
        |at: Option<usize>| at.and_then(|at| characters.get(at)).is_some_and(char::is_ascii_digit);
    let mut plain = String::new();
    for (at, character) in characters.iter().enumerate() {
        let in_number = digit(at.checked_sub(1)) && digit(at.checked_add(1));
        match character {
            '£' | '$' | '€' => {}
            ',' if in_number => {}
            '.' if in_number => plain.push('.'),
            letter if letter.is_alphanumeric() => plain.push(*letter),
            _ => plain.push(' '),
        }
    }
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Call {
    /// Carries a desktop's request out, or says why not.
    pub(crate) fn request(
        &mut self,
        phase: Phase,
        asker: &Asker,
        request: Request,
        reply: Reply,
        now: Now,
    ) -> (Phase, Vec<Effect>) {
        let refusal = match &self.facts.agent {
            Some(owner) if *owner != asker.agent => Some(Refusal::NotYours),
            _ if actions(&self.facts, &phase).contains(&request.word()) => None,
            _ => Some(Refusal::NotNow),
        };
        if let Some(refusal) = refusal {
            return (phase, vec![Effect::Answered(reply, Err(refusal))]);
        }
        let by = &asker.agent;
        match request {
            Request::Claim => {
                let effects = self.claim(by, reply, now);
                let phase = match phase {
                    Phase::WrapUp { .. } => {
                        Phase::WrapUp { until: now.up + self.facts.profile.wrap_up_max }
                    }
                    phase => phase,
                };
                (phase, effects)
            }
            Request::Release => {
                self.facts.agent = None;
                self.conceal();
                self.facts.note(now.wall, format!("released by {by}"));
                (phase, vec![audit(by, "call_released", json!({})), done(reply)])
            }
            Request::CancelPin => {
                let (phase, mut effects) = self.abandon(now);
                effects.extend([audit(by, "pin_cancelled", json!({})), done(reply)]);
                (phase, effects)
            }
            Request::CollectPin => {
                self.facts.factors.pin = table::Pin::Pending;
                self.facts.questions = None;
                self.facts.pin = None;
                let (phase, mut effects) = self.draw(now);
                effects.extend([audit(by, "pin_asked_again", json!({})), done(reply)]);
                (phase, effects)
            }
            Request::Mark { question, correct } => {
                (phase, self.mark(&question, correct, by, reply, now))
            }
            Request::Answer { question, value } => {
                (phase, self.answer(&question, value.expose(), by, reply, now))
            }
            Request::Reveal(question) => (phase, self.reveal(question, by, reply)),
            Request::Finish => (phase, self.finish(by, reply, now)),
            Request::Password(said) => {
                self.facts.password_due = false;
                self.facts.password_said = true;
                let customer = self.facts.customer.as_ref().map(|known| known.id.clone());
                (phase, vec![Effect::JudgePassword { customer, said, reply }])
            }
            Request::WrapUp { outcome, note } => self.wrap_up(phase, outcome, note, by, reply, now),
            Request::SetParty { .. } => {
                (phase, vec![Effect::Answered(reply, Err(Refusal::NotNow))])
            }
        }
    }

    fn claim(&mut self, by: &AgentId, reply: Reply, now: Now) -> Vec<Effect> {
        self.facts.agent = Some(by.clone());
        self.facts.note(now.wall, format!("taken by {by}"));
        vec![audit(by, "call_claimed", json!({})), done(reply)]
    }

    fn mark(
        &mut self,
        question: &FactKey,
        correct: bool,
        by: &AgentId,
        reply: Reply,
        now: Now,
    ) -> Vec<Effect> {
        // Nobody can have given an answer right that we do not know.
        if correct && self.on_file(question).is_none() {
            return vec![Effect::Answered(reply, Err(Refusal::NotNow))];
        }
        let items = self.facts.questions.iter_mut().flat_map(|questions| &mut questions.items);
        let Some(item) = items.into_iter().find(|item| item.key == *question) else {
            return vec![Effect::Answered(reply, Err(Refusal::NoSuchQuestion))];
        };
        item.marked = Some(correct);
        item.revealed = false;
        let word = if correct { "right" } else { "wrong" };
        self.facts.note(now.wall, format!("{question} answered {word}"));
        // B10: who ticked what, and when.
        vec![
            audit(by, "question_marked", json!({ "question": question, "correct": correct })),
            done(reply),
        ]
    }

    /// Compares what the caller said with what is on file, once a question.
    fn answer(
        &mut self,
        question: &FactKey,
        said: &str,
        by: &AgentId,
        reply: Reply,
        now: Now,
    ) -> Vec<Effect> {
        let asked = self.facts.questions.iter().flat_map(|questions| &questions.items);
        if asked.into_iter().any(|item| item.key == *question && item.marked.is_some()) {
            return vec![Effect::Answered(reply, Err(Refusal::NotNow))];
        }
        let correct = self.on_file(question).is_some_and(|answer| same_answer(answer, said));
        self.mark(question, correct, by, reply, now)
    }

    fn on_file(&self, question: &FactKey) -> Option<&str> {
        let answers = &self.facts.customer.as_ref()?.answers;
        answers.get(question).map(SecretText::expose)
    }

    fn reveal(&self, question: FactKey, by: &AgentId, reply: Reply) -> Vec<Effect> {
        let asked = self.facts.questions.iter().flat_map(|questions| &questions.items);
        if !asked.into_iter().any(|item| item.key == question) {
            return vec![Effect::Answered(reply, Err(Refusal::NoSuchQuestion))];
        }
        vec![Effect::AuditReveal { question, by: by.clone(), reply }]
    }

    /// X11: the answer shows only once the look is on record, and only one at a time.
    pub(crate) fn revealed(
        &mut self,
        question: &FactKey,
        by: &AgentId,
        reply: Reply,
        audited: Result<Option<()>, Down>,
        now: Now,
    ) -> Vec<Effect> {
        match audited {
            Ok(Some(())) => {}
            Ok(None) => return vec![Effect::Answered(reply, Err(Refusal::Quota))],
            Err(Down) => return vec![Effect::Answered(reply, Err(Refusal::Unavailable))],
        }
        let over = self.facts.ended_at.is_some() || questions_due(&self.facts).is_none();
        if self.facts.agent.as_ref() != Some(by) || over {
            return vec![Effect::Answered(reply, Err(Refusal::NotNow))];
        }
        for item in self.facts.questions.iter_mut().flat_map(|questions| &mut questions.items) {
            item.revealed = item.key == *question;
        }
        self.facts.note(now.wall, format!("{by} looked at the answer to {question}"));
        vec![done(reply)]
    }

    fn conceal(&mut self) {
        for item in self.facts.questions.iter_mut().flat_map(|questions| &mut questions.items) {
            item.revealed = false;
        }
    }

    fn finish(&mut self, by: &AgentId, reply: Reply, now: Now) -> Vec<Effect> {
        self.conceal();
        let Some(questions) = &self.facts.questions else {
            return vec![Effect::Answered(reply, Err(Refusal::NotNow))];
        };
        let (correct, required) = (questions.correct(), questions.required);
        let passed = correct >= required;
        self.facts.factors.questions =
            if passed { table::Questions::Passed } else { table::Questions::Failed };
        let body = json!({ "correct": correct, "required": required, "passed": passed });
        let mut effects = vec![audit(by, "questions_finished", body)];
        effects.extend(self.decide(now));
        effects.push(done(reply));
        effects
    }

    /// The verifier's word on the password.
    pub(crate) fn password_judged(
        &mut self,
        phase: Phase,
        judgement: Judgement,
        reply: Reply,
        now: Now,
    ) -> (Phase, Vec<Effect>) {
        if self.facts.ended_at.is_some() || self.facts.authentication.is_final() {
            return (phase, vec![Effect::Answered(reply, Err(Refusal::NotNow))]);
        }
        let verdict = match judgement {
            Judgement::Verdict(verdict) => verdict,
            Judgement::Unavailable => {
                self.facts.password_due = true;
                self.facts.password_said = false;
                return (phase, vec![Effect::Answered(reply, Err(Refusal::Unavailable))]);
            }
        };
        let (factor, word) = match verdict {
            Verdict::Correct => (table::Password::Correct, "correct"),
            Verdict::Wrong => (table::Password::Wrong, "not correct"),
        };
        self.facts.factors.password = factor;
        self.facts.note(now.wall, format!("password {word}"));
        let body = json!({ "correct": factor == table::Password::Correct });
        let mut effects =
            vec![Effect::Audit { actor: "system".into(), what: "password_judged", body }];
        effects.extend(self.decide(now));
        effects.push(done(reply));
        (phase, effects)
    }

    fn wrap_up(
        &mut self,
        phase: Phase,
        outcome: String,
        note: Option<String>,
        by: &AgentId,
        reply: Reply,
        now: Now,
    ) -> (Phase, Vec<Effect>) {
        let mut effects = vec![];
        if self.facts.verdict.is_some() {
            return (phase, vec![Effect::Answered(reply, Err(Refusal::NotNow))]);
        }
        self.facts.note(now.wall, format!("wrapped up by {by}: {outcome}"));
        effects.push(audit(by, "call_wrapped_up", json!({ "outcome": outcome })));
        self.facts.notes.push(outcome);
        self.facts.notes.extend(note);
        let (_, ended) = self.ended(Cause::NORMAL_CLEARING, now);
        effects.extend(ended);
        let (phase, released) = self.release(now);
        effects.extend(released);
        effects.push(done(reply));
        (phase, effects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x15_answers_agree_exactly_but_for_how_they_are_written() {
        for (on_file, said, same) in [
            ("Ghent", "  ghent ", true),
            ("£1,250.00", "1250.00", true),
            ("St. Mary's", "st mary s", true),
            ("£42.10", "4210", false),
            ("£9.00", "900", false),
            ("1/11/2026", "11/1/2026", false),
            ("14 March 1986", "14 march 1986", true),
            ("Ghent", "", false),
            ("£", "€", false),
        ] {
            assert_eq!(same_answer(on_file, said), same, "{on_file} / {said}");
        }
    }
}
