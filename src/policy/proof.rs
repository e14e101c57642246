//! What is proven about a profile before anything uses it, and what an operator is warned of.

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeTable;
use toml::de::DeValue;

use crate::model::caller::CallerClass;
use crate::model::ids::FactKey;
use crate::policy::Profile;
use crate::policy::questions::QuestionSet;
use crate::policy::questions::Secrecy;
use crate::policy::read::Places;
use crate::policy::read::Sheet;
use crate::policy::table;
use crate::policy::words;
use crate::policy::words::FORBIDDEN_OPENINGS;
use crate::policy::words::LEGACY_TERMS;

/// X08: so long an answer that was volunteered proves nothing.
const DISCLOSED_MIN: Duration = Duration::from_hours(24 * 365);

/// Every text of a profile: no legacy term anywhere (C10), no defensive opening in what is said
/// (O04), no placeholder that stays one.
pub(super) fn words(sheet: &mut Sheet<'_>, top: &DeTable<'_>) {
    for (key, value) in top {
        // `[outbound]` has openings and placeholders of its own, and proves them itself.
        let said = ["texts", "say", "catalogue", "questions"];
        let said = said.contains(&key.get_ref().as_ref());
        word(sheet, key.get_ref(), said, value);
    }
}

fn word(sheet: &mut Sheet<'_>, path: &str, said: bool, value: &Spanned<DeValue<'_>>) {
    match value.get_ref() {
        DeValue::String(text) => {
            if let Some(term) = words::phrase_in(text, LEGACY_TERMS) {
                let today = "write receiving parent or paying parent";
                sheet.complain(
                    &value.span(),
                    format!("{path}: {term:?} is a legacy term; {today} (C10)"),
                );
            }
            if let Some(opening) = words::phrase_in(text, FORBIDDEN_OPENINGS).filter(|_| said) {
                sheet.complain(
                    &value.span(),
                    format!("{path}: {opening:?} puts people on the defensive; say what you do instead (O04)"),
                );
            }
            if let Some(name) = words::unknown_placeholder(text).filter(|_| said) {
                sheet.complain(
                    &value.span(),
                    format!(
                        "{path}: nothing fills {{{name}}}; write {{failed_calls}} or leave it out"
                    ),
                );
            }
        }
        DeValue::Array(values) => {
            for value in values {
                word(sheet, path, said, value);
            }
        }
        DeValue::Table(table) => {
            for (key, value) in table {
                word(sheet, &format!("{path}.{}", key.get_ref()), said, value);
            }
        }
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
    }
}

/// Everything that can be wrong between the parts of a profile.
pub(super) fn profile(sheet: &mut Sheet<'_>, profile: &Profile, places: &Places) {
    limits(sheet, profile, places);
    tables(sheet, places);
    for (name, set) in &profile.sets {
        let place = places.sets.get(name).cloned().unwrap_or_default();
        for problem in set_faults(profile, set) {
            sheet.complain(&place, format!("[questions.{name}]: {problem}"));
        }
    }
    call_back(sheet, profile, places);
    for fault in profile.outbound.faults() {
        sheet.complain(&places.outbound, fault);
    }
    if let Some(transition) = &profile.transition {
        if !places.tables.contains_key("transitional") {
            let text = "[transition] leads nowhere; add [[transitional]] rows";
            sheet.complain(&places.transition, text);
        }
        if transition.triggers.is_empty() {
            let text = "[transition] triggers is empty; write the flags that lead to it (C17)";
            sheet.complain(&places.transition, text);
        }
    }
}

fn limits(sheet: &mut Sheet<'_>, profile: &Profile, places: &Places) {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !(1..=64).contains(&profile.name.len()) || !profile.name.chars().all(plain) {
        let text = "name: write 1 to 64 letters, digits or hyphens, as in name = \"cards\"";
        sheet.complain(&Range::default(), text);
    }
    for (key, place, value, range) in [
        ("capture.attempts", &places.capture, profile.capture.attempts, 1..=2),
        ("capture.reprompts", &places.capture, profile.capture.reprompts, 0..=5),
        ("block.failed_calls", &places.block, profile.block.failed_calls, 1..=10),
        ("block.wrong_entries", &places.block, profile.block.wrong_entries, 1..=20),
    ] {
        if !range.contains(&value) {
            let (least, most) = range.into_inner();
            sheet.complain(place, format!("{key} = {value}: write {least} to {most}"));
        }
    }
    for situation in &places.unknown_situations {
        let known: Vec<_> = words::SITUATIONS.iter().map(|(name, _)| *name).collect();
        sheet.complain(
            &places.say,
            format!("[say] {situation}: no such situation; write one of {}", known.join(", ")),
        );
    }
}

fn tables(sheet: &mut Sheet<'_>, places: &Places) {
    for class in CallerClass::ALL {
        let word = class.word();
        if !places.tables.contains_key(word) && !places.tables.contains_key("any") {
            let text = format!("there is no table for {word}; write [[{word}]] or [[any]] rows");
            sheet.complain(&Range::default(), text);
        }
    }
    for (name, table) in &places.tables {
        if !table.whole {
            continue;
        }
        for fault in table::faults(&table.read, |set| places.sets.contains_key(set)) {
            let row = fault.row.unwrap_or(1).saturating_sub(1);
            let place = table.spans.get(row).cloned().unwrap_or_default();
            sheet.complain(&place, format!("[[{name}]]: {}", fault.text));
        }
    }
}

fn set_faults(profile: &Profile, set: &QuestionSet) -> Vec<String> {
    let mut faults = vec![];
    let most = set.ask.len();
    if set.required == 0 || usize::from(set.required) > most {
        faults.push(format!("required = {}: write 1 to {most}", set.required));
    }
    if let Some(draw) = set.draw.filter(|draw| usize::from(*draw) > most || *draw < set.required) {
        let least = set.required;
        faults.push(format!("draw = {draw}: write {least} to {most}, or add questions to ask"));
    }
    for (key, _) in &set.ask {
        let Some(question) = profile.question(key) else { continue };
        let waits = question.unasked_after_disclosure.is_some_and(|wait| wait >= DISCLOSED_MIN);
        if question.disclosable && !waits {
            faults.push(format!(
                "{key} may be volunteered and is asked as well; write unasked_days_after_disclosure = 365 or more in the catalogue, or disclosable = false (X08)"
            ));
        }
    }
    // The worst customer: identified by what could identify, every flag set, all volunteered.
    let left: Vec<&FactKey> = set
        .ask
        .iter()
        .map(|(key, _)| key)
        .filter(|key| {
            profile.question(key).is_some_and(|question| {
                !question.identifies && question.not_when.is_empty() && !question.disclosable
            })
        })
        .collect();
    let asked = usize::from(set.draw.unwrap_or(u8::MAX)).min(left.len());
    if faults.is_empty() && !(set.passes(profile, &left) && asked >= usize::from(set.required)) {
        let (required, counted) = (set.required, set.counted(profile, &left));
        faults.push(format!(
            "{required} right answers ({} of them private) cannot be reached where exclusions apply (X08, X23, C22): {counted} would count; add questions or lower the threshold",
            set.private_required
        ));
    }
    faults
}

fn call_back(sheet: &mut Sheet<'_>, profile: &Profile, places: &Places) {
    let Some(rule) = &profile.call_back else { return };
    for name in [Some(&rule.set), rule.early_set.as_ref()].into_iter().flatten() {
        if !places.sets.contains_key(name) {
            let text = format!("[call_back]: there is no [questions.{name}]; add it");
            sheet.complain(&places.call_back, text);
        }
    }
    for name in [Some(&rule.set), rule.early_set.as_ref()].into_iter().flatten() {
        let set = profile.question_set(name);
        if let Some(set) = set.filter(|set| set.draw != Some(set.required)) {
            let text = format!(
                "[questions.{name}]: a call back passes with every answer right; write draw = {} (C57)",
                set.required
            );
            let place = places.sets.get(name).cloned().unwrap_or_default();
            sheet.complain(&place, text);
        }
    }
    if rule.early_set.is_none() && !rule.early_flags.is_empty() {
        let text = "[call_back]: early_flags without early_set; add early_set";
        sheet.complain(&places.call_back, text);
    }
}

/// Where a profile is as its source wrote it, although section X warns of it.
pub(super) fn warnings(profile: &Profile) -> Vec<String> {
    let mut warnings = vec![];
    for (name, set) in &profile.sets {
        let keys: Vec<&FactKey> = set.ask.iter().map(|(key, _)| key).collect();
        let hardened = QuestionSet { one_per_group: true, ..set.clone() };
        let all = set.counted(profile, &keys);
        if hardened.counted(profile, &keys) < all {
            warnings.push(format!(
                "policy {}: [questions.{name}] counts several answers that stand on one statement; one_per_group = true counts one of each group (X15)",
                profile.name
            ));
        }
        let known_to_others: Vec<&FactKey> = keys
            .into_iter()
            .filter(|key| {
                profile.question(key).is_some_and(|question| question.secrecy != Secrecy::Private)
            })
            .collect();
        if set.passes(profile, &known_to_others) {
            warnings.push(format!(
                "policy {}: [questions.{name}] can be passed with what other people know; private_required = 1 asks for one private answer (X24)",
                profile.name
            ));
        }
    }
    warnings
}
