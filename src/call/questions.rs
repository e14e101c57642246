//! Security questions: drawn by the system (X35), ticked by the agent or compared by the daemon,
//! counted by the profile.

use std::sync::Arc;

use serde_json::json;

use crate::call::Call;
use crate::call::desk::audit;
use crate::call::desk::done;
use crate::call::effect::Effect;
use crate::call::facts::Asked;
use crate::call::facts::Facts;
use crate::call::facts::QuestionKind;
use crate::call::facts::QuestionsAsked;
use crate::call::facts::Who;
use crate::call::input::Down;
use crate::call::input::Reply;
use crate::call::request::Refusal;
use crate::call::transcript::Counted;
use crate::model::auth::Authentication;
use crate::model::digits::SecretText;
use crate::model::ids::AgentId;
use crate::model::ids::FactKey;
use crate::model::time::Now;
use crate::outbound::employer::Tick;
use crate::policy::Pool;
use crate::policy::QuestionSet;
use crate::policy::Reveal;
use crate::policy::table;

/// The questions, while they can still be answered.
pub(crate) fn due(facts: &Facts) -> Option<&QuestionsAsked> {
    let questions = facts.questions.as_ref()?;
    let open = match questions.kind {
        QuestionKind::Check | QuestionKind::Transitional => {
            facts.factors.questions == table::Questions::Pending && !facts.authentication.is_final()
        }
        QuestionKind::CallBack => facts.recovering,
        QuestionKind::Employer => facts.message.is_none(),
    };
    (open && facts.verdict.is_none()).then_some(questions)
}

/// X23: the SCIN names the customer, keyed, typed or on the screen before anything is asked: it never
/// counts as an answer.
fn identifying() -> Vec<FactKey> {
    FactKey::try_from("scin".to_owned()).into_iter().collect()
}

impl Call {
    /// Draws from a set and asks. Nothing: too little is on file to ask enough.
    pub(crate) fn ask_set(&mut self, name: &str, kind: QuestionKind, now: Now) -> Option<Effect> {
        let profile = Arc::clone(&self.facts.profile);
        let set = profile.question_set(name)?;
        // A fixed set is asked as it stands: what is not on file cannot be answered right (B08, B12).
        let keys =
            self.draws(set.draw.is_none(), |pool, seed| set.draw(&profile, pool, seed))??;
        self.put(name, keys, kind, now)
    }

    /// The questions of the way back; the profile says which (C54, C55, C65, C66).
    pub(crate) fn ask_way_back(&mut self, now: Now) -> Option<Effect> {
        let profile = Arc::clone(&self.facts.profile);
        let drawn = self.draws(false, |pool, seed| profile.call_back_questions(pool, seed))?;
        let (name, keys) = drawn?;
        self.put(name, keys, QuestionKind::CallBack, now)
    }

    fn put(
        &mut self,
        name: &str,
        keys: Vec<FactKey>,
        kind: QuestionKind,
        now: Now,
    ) -> Option<Effect> {
        let customer = self.facts.customer.as_ref().map(|known| known.id.clone())?;
        let profile = &self.facts.profile;
        let set = profile.question_set(name)?;
        let item = |key: &FactKey| {
            let (text, reveal) = (set.text(key)?.to_owned(), profile.reveal(set, key));
            let key = key.clone();
            let marked = self.facts.given.get(&(customer.clone(), key.clone())).copied();
            Some(Asked { key, text, reveal, marked, revealed: None })
        };
        let items: Vec<Asked> = keys.iter().filter_map(item).collect();
        let required = set.required;
        self.facts.questions = Some(QuestionsAsked { kind, set: name.into(), required, items });
        self.facts.note(now.wall, format!("questions drawn: {name}"));
        Some(Effect::Asked { customer, keys })
    }

    /// Draws from what can be asked of this customer now; `all`: whether or not it is on file.
    fn draws<T>(&self, all: bool, draw: impl FnOnce(&Pool<'_>, u64) -> T) -> Option<T> {
        let known = self.facts.customer.as_ref()?;
        let on_file = |key: &FactKey| all || known.answers.contains_key(key);
        let pool = Pool {
            on_file: &on_file,
            used_to_identify: &identifying(),
            disclosed: &known.disclosed,
            recent: &self.recently_asked(),
            flags: &known.flags,
        };
        Some(draw(&pool, known.seed))
    }

    /// X34: what this call has asked already counts as recent for the next set.
    fn recently_asked(&self) -> Vec<FactKey> {
        let known = self.facts.customer.iter().flat_map(|known| known.recently_asked.iter());
        let here = self.facts.questions.iter().flat_map(|asked| &asked.items);
        known.cloned().chain(here.map(|item| item.key.clone())).collect()
    }

    /// C08: no challenge, two ticks.
    pub(crate) fn ask_employer(&mut self) {
        let item = |tick: Tick| {
            let key = FactKey::try_from(tick.key().to_owned()).ok()?;
            let (text, reveal) = (tick.text().to_owned(), Reveal::Always);
            Some(Asked { key, text, reveal, marked: None, revealed: None })
        };
        let items: Vec<Asked> = Tick::ALL.into_iter().filter_map(item).collect();
        let (kind, set, required) = (QuestionKind::Employer, String::new(), 2);
        self.facts.questions = Some(QuestionsAsked { kind, set, required, items });
    }

    pub(crate) fn mark(
        &mut self,
        question: &FactKey,
        correct: bool,
        by: &AgentId,
        reply: Reply,
        now: Now,
    ) -> Vec<Effect> {
        let Some((kind, reveal)) = self.asked_as(question) else {
            return vec![Effect::Answered(reply, Err(Refusal::NoSuchQuestion))];
        };
        if reveal == Reveal::Blind {
            return vec![Effect::Answered(reply, Err(Refusal::NotNow))];
        }
        // Nobody can have given an answer right that we do not know.
        let known = kind == QuestionKind::Employer || self.on_file(question).is_some();
        if correct && !known {
            return vec![Effect::Answered(reply, Err(Refusal::NothingOnFile))];
        }
        self.tick(question, correct, by, reply, now)
    }

    /// Compares what the caller said with what is on file, once a question.
    pub(crate) fn answer(
        &mut self,
        question: &FactKey,
        said: &str,
        by: &AgentId,
        reply: Reply,
        now: Now,
    ) -> Vec<Effect> {
        let asked = self.facts.questions.iter().flat_map(|questions| &questions.items);
        let Some(item) = asked.into_iter().find(|item| item.key == *question) else {
            return vec![Effect::Answered(reply, Err(Refusal::NoSuchQuestion))];
        };
        if item.marked.is_some() {
            return vec![Effect::Answered(reply, Err(Refusal::NotNow))];
        }
        let correct = self.on_file(question).is_some_and(|answer| same_answer(answer, said));
        self.tick(question, correct, by, reply, now)
    }

    /// B10: who ticked what, when, and how long after looking at the answer (5.7).
    fn tick(
        &mut self,
        question: &FactKey,
        correct: bool,
        by: &AgentId,
        reply: Reply,
        now: Now,
    ) -> Vec<Effect> {
        let items = self.facts.questions.iter_mut().flat_map(|questions| &mut questions.items);
        let Some(item) = items.into_iter().find(|item| item.key == *question) else {
            return vec![Effect::Answered(reply, Err(Refusal::NoSuchQuestion))];
        };
        item.marked = Some(correct);
        if let Some(known) = &self.facts.customer {
            self.facts.given.insert((known.id.clone(), question.clone()), correct);
        }
        let looked = item.revealed.take();
        let interval =
            looked.map(|at| now.wall.since(at).as_millis().try_into().unwrap_or(u64::MAX));
        let word = if correct { "right" } else { "wrong" };
        self.facts.note_of(Who::Agent, now.wall, format!("{question} answered {word}"));
        let body = json!({
            "question": question, "correct": correct, "reveal_to_tick_ms": interval,
        });
        vec![audit(by, "question_marked", body), done(reply)]
    }

    fn asked_as(&self, question: &FactKey) -> Option<(QuestionKind, Reveal)> {
        let questions = self.facts.questions.as_ref()?;
        let item = questions.items.iter().find(|item| item.key == *question)?;
        Some((questions.kind, item.reveal))
    }

    fn on_file(&self, question: &FactKey) -> Option<&str> {
        let answers = &self.facts.customer.as_ref()?.answers;
        answers.get(question).map(SecretText::expose)
    }

    pub(crate) fn reveal(&self, question: FactKey, by: &AgentId, reply: Reply) -> Vec<Effect> {
        match self.asked_as(&question) {
            None => vec![Effect::Answered(reply, Err(Refusal::NoSuchQuestion))],
            Some((_, Reveal::OnClick)) => {
                vec![Effect::AuditReveal { question, by: by.clone(), reply }]
            }
            Some((_, Reveal::Blind | Reveal::Always)) => {
                vec![Effect::Answered(reply, Err(Refusal::NotNow))]
            }
        }
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
        let refusal = match audited {
            Err(Down) => Some(Refusal::Unavailable),
            Ok(None) => Some(Refusal::Quota),
            Ok(Some(())) => {
                let over = self.facts.ended_at.is_some() || due(&self.facts).is_none();
                (over || self.facts.agent.as_ref() != Some(by)).then_some(Refusal::NotNow)
            }
        };
        if let Some(refusal) = refusal {
            return vec![Effect::Answered(reply, Err(refusal))];
        }
        for item in self.facts.questions.iter_mut().flat_map(|questions| &mut questions.items) {
            item.revealed = (item.key == *question).then_some(now.wall);
        }
        let what = format!("{by} looked at the answer to {question}");
        self.facts.note_of(Who::Agent, now.wall, what);
        vec![done(reply)]
    }

    pub(crate) fn conceal(&mut self) {
        for item in self.facts.questions.iter_mut().flat_map(|questions| &mut questions.items) {
            item.revealed = None;
        }
    }

    /// The questions are over: counts what was marked.
    pub(crate) fn finish(&mut self, by: &AgentId, reply: Reply, now: Now) -> Vec<Effect> {
        self.conceal();
        let Some(questions) = &self.facts.questions else {
            return vec![Effect::Answered(reply, Err(Refusal::NotNow))];
        };
        let kind = questions.kind;
        let right: Vec<FactKey> = questions.right().cloned().collect();
        let asked: Vec<FactKey> = questions.items.iter().map(|item| item.key.clone()).collect();
        let required = questions.required;
        let (set, count) = (questions.set.clone(), self.counted(questions));
        let passed = match self.facts.profile.question_set(&set) {
            Some(set) => self.enough(set, &right),
            None => right.len() >= usize::from(required),
        };
        let body = json!({
            "set": set, "correct": count, "required": required, "passed": passed,
        });
        let mut effects = vec![audit(by, "questions_finished", body)];
        match kind {
            QuestionKind::Check | QuestionKind::Transitional => {
                self.facts.transcript.counted(Counted { set, asked, right, passed });
                self.facts.factors.questions =
                    if passed { table::Questions::Passed } else { table::Questions::Failed };
                effects.extend(self.decide(now));
            }
            QuestionKind::CallBack => {
                self.facts.transcript.counted(Counted { set, asked, right, passed });
                effects.extend(self.recovery_over(passed, by, now));
            }
            QuestionKind::Employer => self.employer_ticked(passed),
        }
        effects.push(done(reply));
        effects
    }

    fn enough(&self, set: &QuestionSet, right: &[FactKey]) -> bool {
        let right: Vec<&FactKey> = right.iter().collect();
        set.passes(&self.facts.profile, &right)
    }

    /// Right answers that count: with correlation groups one of a group (X15).
    pub(crate) fn counted(&self, questions: &QuestionsAsked) -> u8 {
        let right: Vec<&FactKey> = questions.right().collect();
        match self.facts.profile.question_set(&questions.set) {
            Some(set) => set.counted(&self.facts.profile, &right),
            None => u8::try_from(right.len()).unwrap_or(u8::MAX),
        }
    }

    fn employer_ticked(&mut self, passed: bool) {
        let texts = &self.facts.profile.texts;
        self.facts.message = Some(if passed { &texts.employer } else { &texts.end }.clone());
        self.facts.authentication = Authentication::NotAuthenticated;
    }
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
