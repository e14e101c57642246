//! The call scripts, each written once. What a caller notices, what an agent sees and what the audit
//! trail says has to be the same on every platform, row by row.

use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

use crate::harness::CHEAP_PINS;
use crate::harness::Daemon;
use crate::harness::OFFICE;
use crate::harness::desktop::Desktop;
use crate::harness::desktop::story;
use crate::harness::platform::event_of;
use crate::harness::poll;
use crate::harness::test_file;
use crate::platforms::Breaks;
use crate::platforms::Caller;
use crate::platforms::Notices;
use crate::platforms::Platform;
use crate::platforms::Rings;

/// Everybody's PIN.
const PIN: &str = "9081726";
/// Wrong at every position.
const WRONG: &str = "3333333";
/// Customers to ring as; each script takes a fresh one.
const CUSTOMERS: u8 = 16;
/// What follows from a key that no desktop shows has happened by then.
const A_MOMENT: Duration = Duration::from_millis(400);

/// A daemon with one platform beside it, and an agent who watches.
pub(crate) struct House<P> {
    pub(crate) daemon: Daemon,
    pub(crate) platform: P,
    desktop: Desktop,
    supervisor: String,
    switch: String,
    customers: u8,
    calls: usize,
    _policies: TempDir,
}

/// Somebody who rings.
struct Customer {
    id: String,
    number: String,
}

/// How a call stands once its caller is with the queue: class, authentication, result of the PIN.
type Stands<'a> = (&'a str, &'a str, Option<&'a str>);

impl Customer {
    fn nth(nth: u8) -> Self {
        Self { id: format!("{}", 1000 + u32::from(nth)), number: format!("+4420794610{nth:02}") }
    }
}

/// The class is decided before the answer, and each has its own way.
pub(crate) fn classes<P: Platform>() {
    let mut house = House::<P>::opens();
    house.app();
    house.right_pin();
    house.customer_number();
    house.unknown_customer_number();
    house.every_call_was_counted_once();
}

/// What comes of the keys.
pub(crate) fn pins<P: Platform>() {
    let mut house = House::<P>::opens();
    house.wrong_then_right();
    house.wrong_twice();
    house.starts_a_digit_again();
    house.is_silent();
    if P::has_letters() {
        house.presses_letters();
    }
    house.every_call_was_counted_once();
}

/// The caller hangs up, in every state.
pub(crate) fn hang_ups<P: Platform>() {
    let mut house = House::<P>::opens();
    house.leaves("leaves_first", |_| {});
    house.leaves("leaves_after_one_key", |caller| {
        let Notices::Position(_) = caller.notices() else { panic!("a digit is asked") };
        caller.presses('3');
    });
    house.leaves("leaves_after_a_wrong_entry", |caller| {
        keys_pair(caller, WRONG);
        let Notices::Position(_) = caller.notices() else { panic!("a digit is asked again") };
    });
    house.leaves("leaves_after_two_keys", |caller| {
        let _ = keys_pair(caller, PIN);
    });
    house.leaves_in_customer_number();
    house.every_call_was_counted_once();
}

/// The line between platform and daemon breaks while the caller keys.
pub(crate) fn line_breaks<P: Platform>() {
    let mut house = House::<P>::opens();
    match P::breaks() {
        Breaks::Void => {
            house.breaks_after_one_key();
            house.breaks_after_two_keys();
            house.breaks_in_customer_number();
        }
        Breaks::SendsAgain => {
            house.breaks_and_sends_again(PIN, "right_pin");
            house.breaks_and_sends_again(WRONG, "wrong_then_right");
        }
        Breaks::Never => panic!("nothing can break"),
    }
    house.every_call_was_counted_once();
}

impl<P: Platform> House<P> {
    /// A daemon whose profile waits two seconds for a digit.
    pub(crate) fn opens() -> Self {
        let row = |Customer { id, number }| format!("{id},Customer {id},{number},{PIN}\n");
        let rows: String = (0..CUSTOMERS).map(Customer::nth).map(row).collect();
        let policies = TempDir::new().expect("a temporary folder");
        let retail = include_str!("../../../config/policies/retail.toml");
        let quick = retail.replace("\"retail\"", "\"quick\"").replace("= 8000", "= 2000");
        fs::write(policies.path().join("quick.toml"), quick).expect("the folder is writable");
        let folder = policies.path().display();
        let policy = format!("[policy]\ndefault = \"quick\"\ndirectory = \"{folder}\"\n");
        let settings = format!("{OFFICE}{CHEAP_PINS}{policy}{}", P::settings());
        let daemon = Daemon::with(&settings, &format!("customer_id,name,numbers,pin\n{rows}"));
        let desktop = Desktop::agent(&daemon, "ann");
        let supervisor = daemon.token("supervisor", "sue");
        let (platform, switch) = (P::beside(&daemon), daemon.token("platform", "switch"));
        Self {
            platform,
            desktop,
            supervisor,
            switch,
            customers: 0,
            calls: 0,
            daemon,
            _policies: policies,
        }
    }

    fn customer(&mut self) -> Customer {
        self.customers += 1;
        Customer::nth(self.customers - 1)
    }

    fn rings(&self, ani: Option<&str>, intent: Option<&str>) -> Box<dyn Caller + '_> {
        let own = str::to_owned;
        self.platform.rings(&Rings { ani: ani.map(own), intent: intent.map(own) })
    }

    /// Waits until the caller is with the queue and the call stands so; then the caller hangs up, and
    /// what agents saw and the trail says is what this script leaves on every platform.
    #[track_caller]
    fn goes_on(&self, script: &str, caller: &mut dyn Caller, stands: Stands<'_>) {
        let call = caller.name();
        let (class, authentication, pin) = stands;
        let so = |call: &Value| {
            call["media"] == "handed_over"
                && call["authentication"] == authentication
                && call["pin"]["result"] == json!(pin)
        };
        let shown = self.desktop.wait_for(&call, &format!("{script}: {stands:?}"), so);
        assert_eq!(shown["class"], class, "{script}");
        caller.hangs_up();
        if !P::tells_the_end() {
            // The caller was given back: whoever has the line now tells how it goes on.
            let platform = shown["platform"].as_str().expect("a word");
            let event = event_of(platform, "connection_cleared", &call, &json!({ "cause": 16 }));
            let (status, answer) =
                self.daemon.ask("POST", "/v1/events", &self.switch, Some(&event));
            assert_eq!(status, 200, "{answer}");
        }
        self.ends(script, &call);
    }

    /// The call is over, and left what this script leaves on every platform.
    #[track_caller]
    fn ends(&self, script: &str, call: &str) {
        self.desktop.wait_for(call, script, |call| !call["ended_at"].is_null());
        let (steps, trail) = expected(script);
        let was = self.trail(call, trail.len());
        assert_eq!(was, trail, "{script}: the audit trail");
        // Frames may be left out for newer ones, and nothing else.
        let mut left = steps.iter();
        for step in story(&self.desktop.states_of(call)).iter().map(|step| counted(step)) {
            assert!(left.any(|expected| *expected == step), "{script}: {step} in {steps:#?}");
        }
        assert_eq!(left.next(), None, "{script}: the last state was shown");
    }

    /// The audit trail of a call that ended, once it has so many rows.
    #[track_caller]
    fn trail(&self, call: &str, rows: usize) -> Vec<String> {
        let shown = self.desktop.wait_for(call, "it is there", |_| true);
        let path = format!("/v1/audit?call={}", shown["id"].as_str().expect("an id"));
        let mut last = vec![];
        for _ in 0..200 {
            let (status, page) = self.daemon.ask("GET", &path, &self.supervisor, None);
            assert_eq!(status, 200, "{page}");
            last = page["lines"].as_array().into_iter().flatten().map(row).collect();
            if last.len() >= rows && last.iter().any(|row| row.starts_with("call_ended")) {
                break;
            }
            thread::sleep(Duration::from_millis(25));
        }
        // The outbox works beside the call: its rows come when it comes to them.
        last.sort_by_key(|row| row.starts_with("marked"));
        last
    }

    /// Whatever happened in it, a call counts once.
    #[track_caller]
    fn every_call_was_counted_once(&self) {
        let counted = || {
            let metrics = self.daemon.metrics();
            let lines = metrics.lines().filter(|line| line.starts_with("countersign_calls_total{"));
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).sum::<usize>()
        };
        let sum =
            poll("every call is counted", || Some(counted()).filter(|sum| *sum >= self.calls));
        assert_eq!(sum, self.calls);
    }

    fn app(&mut self) {
        let one = self.customer();
        let body = json!({ "customer_id": one.id, "number": one.number });
        let token = self.daemon.token("app", "phone-app");
        let (_, made) = self.daemon.ask("POST", "/v1/intents", &token, Some(&body));
        self.calls += 1;
        let mut caller = self.rings(Some(&one.number), made["intent"].as_str());
        assert_eq!(caller.notices(), Notices::Routed);
        self.goes_on("app", &mut *caller, ("app_authenticated", "authenticated", None));
    }

    fn right_pin(&mut self) {
        let one = self.customer();
        self.calls += 1;
        let mut caller = self.rings(Some(&one.number), None);
        let (one, two) = keys_pair(&mut *caller, PIN);
        assert_ne!(one, two);
        assert_eq!(caller.notices(), Notices::Routed);
        let stands = ("verified_number", "authenticated", Some("correct"));
        self.goes_on("right_pin", &mut *caller, stands);
    }

    fn customer_number(&mut self) {
        let one = self.customer();
        self.calls += 1;
        let mut caller = self.rings(None, None);
        keys_number(&mut *caller, &one.id);
        keys_pair(&mut *caller, PIN);
        assert_eq!(caller.notices(), Notices::Routed);
        let stands = ("unverified", "in_progress", Some("correct"));
        self.goes_on("customer_number", &mut *caller, stands);
    }

    /// Who nobody knows hears what everybody hears.
    fn unknown_customer_number(&mut self) {
        self.calls += 1;
        let mut caller = self.rings(Some("+447700900999"), None);
        keys_number(&mut *caller, "987654");
        let asked = keys_pair(&mut *caller, PIN);
        assert_eq!(keys_pair(&mut *caller, PIN), asked, "the same positions");
        assert_eq!(caller.notices(), Notices::Routed);
        let stands = ("unverified", "failed", Some("incorrect"));
        self.goes_on("unknown_customer_number", &mut *caller, stands);
    }

    fn wrong_then_right(&mut self) {
        let one = self.customer();
        self.calls += 1;
        let mut caller = self.rings(Some(&one.number), None);
        let asked = keys_pair(&mut *caller, WRONG);
        assert_eq!(keys_pair(&mut *caller, PIN), asked, "x03: the same positions");
        assert_eq!(caller.notices(), Notices::Routed);
        let stands = ("verified_number", "authenticated", Some("correct"));
        self.goes_on("wrong_then_right", &mut *caller, stands);
    }

    fn wrong_twice(&mut self) {
        let one = self.customer();
        self.calls += 1;
        let mut caller = self.rings(Some(&one.number), None);
        let asked = keys_pair(&mut *caller, WRONG);
        assert_eq!(keys_pair(&mut *caller, WRONG), asked, "x03: the same positions");
        assert_eq!(caller.notices(), Notices::Routed);
        let stands = ("verified_number", "in_progress", Some("incorrect"));
        self.goes_on("wrong_twice", &mut *caller, stands);
    }

    fn starts_a_digit_again(&mut self) {
        let one = self.customer();
        self.calls += 1;
        let mut caller = self.rings(Some(&one.number), None);
        for _ in 0..2 {
            let Notices::Position(asked) = caller.notices() else { panic!("a digit is asked") };
            caller.presses('*');
            assert_eq!(caller.notices(), Notices::Position(asked), "the same digit again");
            caller.presses(digit(PIN, asked));
        }
        assert_eq!(caller.notices(), Notices::Routed);
        let stands = ("verified_number", "authenticated", Some("correct"));
        self.goes_on("right_pin", &mut *caller, stands);
    }

    fn is_silent(&mut self) {
        let one = self.customer();
        self.calls += 1;
        let mut caller = self.rings(Some(&one.number), None);
        let Notices::Position(asked) = caller.notices() else { panic!("a digit is asked") };
        assert_eq!(caller.notices(), Notices::Position(asked), "c34: the prompt once more");
        caller.presses(digit(PIN, asked));
        let Notices::Position(second) = caller.notices() else { panic!("a digit is asked") };
        caller.presses(digit(PIN, second));
        assert_eq!(caller.notices(), Notices::Routed);
        let stands = ("verified_number", "authenticated", Some("correct"));
        self.goes_on("right_pin", &mut *caller, stands);
    }

    fn presses_letters(&mut self) {
        let one = self.customer();
        self.calls += 1;
        let mut caller = self.rings(Some(&one.number), None);
        let asked = keys_pair(&mut *caller, "ABCDABC");
        assert_eq!(keys_pair(&mut *caller, PIN), asked, "letters are wrong keys");
        assert_eq!(caller.notices(), Notices::Routed);
        let stands = ("verified_number", "authenticated", Some("correct"));
        self.goes_on("wrong_then_right", &mut *caller, stands);
    }

    /// Rings, does something, and leaves once the desktop has seen it.
    fn leaves(&mut self, script: &str, does: impl FnOnce(&mut dyn Caller)) {
        let one = self.customer();
        self.calls += 1;
        let mut caller = self.rings(Some(&one.number), None);
        let call = caller.name();
        does(&mut *caller);
        let (steps, _) = expected(script);
        // The last step is the one that leaving brings.
        let before = steps.len().saturating_sub(2);
        let seen = |call: &Value| {
            let told = story(std::slice::from_ref(call));
            told.iter().any(|step| steps.iter().skip(before).any(|last| counted(step) == *last))
        };
        self.desktop.wait_for(&call, &format!("{script}: {:?}", steps.get(before)), seen);
        caller.hangs_up();
        self.ends(script, &call);
    }

    fn leaves_in_customer_number(&mut self) {
        self.calls += 1;
        let mut caller = self.rings(None, None);
        assert_eq!(caller.notices(), Notices::CustomerNumber);
        "10".chars().for_each(|key| caller.presses(key));
        thread::sleep(A_MOMENT);
        let call = caller.name();
        caller.hangs_up();
        self.ends("leaves_in_customer_number", &call);
    }

    /// C51: the entry is void and asked again from the start; nothing was counted.
    fn breaks_after_one_key(&mut self) {
        let one = self.customer();
        self.calls += 1;
        let mut caller = self.rings(Some(&one.number), None);
        let call = caller.name();
        let Notices::Position(first) = caller.notices() else { panic!("a digit is asked") };
        caller.presses('3');
        let Notices::Position(second) = caller.notices() else { panic!("a digit is asked") };
        self.desktop.wait_for(&call, "one key", |call| call["pin"]["entered"] == 1);
        self.platform.line_breaks(&mut *caller);
        assert_eq!(keys_pair(&mut *caller, PIN), (first, second), "the same positions again");
        assert_eq!(caller.notices(), Notices::Routed);
        let stands = ("verified_number", "authenticated", Some("correct"));
        self.goes_on("breaks_after_one_key", &mut *caller, stands);
    }

    /// A complete entry is judged, line or no line, and counts once.
    fn breaks_after_two_keys(&mut self) {
        let one = self.customer();
        self.calls += 1;
        let mut caller = self.rings(Some(&one.number), None);
        let call = caller.name();
        let asked = keys_pair(&mut *caller, WRONG);
        self.desktop.wait_for(&call, "the second entry", |call| call["pin"]["attempt"] == 2);
        self.platform.line_breaks(&mut *caller);
        assert_eq!(keys_pair(&mut *caller, PIN), asked, "the same positions again");
        assert_eq!(caller.notices(), Notices::Routed);
        let stands = ("verified_number", "authenticated", Some("correct"));
        self.goes_on("breaks_after_two_keys", &mut *caller, stands);
    }

    /// Every key may come twice, and counts once.
    fn breaks_and_sends_again(&mut self, first: &str, script: &str) {
        let one = self.customer();
        self.calls += 1;
        let mut caller = self.rings(Some(&one.number), None);
        let pins = if first == PIN { vec![PIN] } else { vec![first, PIN] };
        for pin in pins {
            for _ in 0..2 {
                let Notices::Position(asked) = caller.notices() else { panic!("a digit is asked") };
                caller.presses(digit(pin, asked));
                self.platform.line_breaks(&mut *caller);
            }
        }
        assert_eq!(caller.notices(), Notices::Routed);
        let stands = ("verified_number", "authenticated", Some("correct"));
        self.goes_on(script, &mut *caller, stands);
    }

    fn breaks_in_customer_number(&mut self) {
        let one = self.customer();
        self.calls += 1;
        let mut caller = self.rings(None, None);
        assert_eq!(caller.notices(), Notices::CustomerNumber);
        "10".chars().for_each(|key| caller.presses(key));
        thread::sleep(A_MOMENT);
        self.platform.line_breaks(&mut *caller);
        keys_number(&mut *caller, &one.id);
        keys_pair(&mut *caller, PIN);
        assert_eq!(caller.notices(), Notices::Routed);
        let stands = ("unverified", "in_progress", Some("correct"));
        self.goes_on("customer_number", &mut *caller, stands);
    }
}

/// Presses the digits of one entry; what was asked.
#[track_caller]
pub(crate) fn keys_pair(caller: &mut dyn Caller, pin: &str) -> (u8, u8) {
    let [first, second] = [(); 2].map(|()| {
        let noticed = caller.notices();
        let Notices::Position(position) = noticed else { panic!("a digit, not {noticed:?}") };
        caller.presses(digit(pin, position));
        position
    });
    (first, second)
}

/// Keys a customer number when it is asked for.
#[track_caller]
fn keys_number(caller: &mut dyn Caller, number: &str) {
    assert_eq!(caller.notices(), Notices::CustomerNumber);
    number.chars().chain(['#']).for_each(|key| caller.presses(key));
}

fn digit(pin: &str, position: u8) -> char {
    pin.chars().nth(usize::from(position) - 1).expect("1 to 7")
}

/// What a script leaves, by `trails.txt`: what a desktop saw step by step, and the audit trail.
#[track_caller]
fn expected(script: &str) -> (Vec<String>, Vec<String>) {
    let text = fs::read_to_string(test_file("it/platforms/trails.txt")).expect("text");
    let lines = text.lines().skip_while(|line| *line != format!("[{script}]")).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('[')).filter(|line| !line.is_empty());
    let (steps, trail): (Vec<_>, Vec<_>) =
        lines.map(str::to_owned).partition(|line| line.starts_with("~ "));
    (steps.iter().map(|step| step[2..].to_owned()).collect(), trail)
}

/// A row of the trail: what was done, and the details that are not chance or a number of ours.
fn row(line: &Value) -> String {
    let mut said = line["what"].as_str().unwrap_or("?").to_owned();
    for (name, value) in line["body"].as_object().into_iter().flatten() {
        let list = value.as_array().into_iter().flatten();
        let value = match name.as_str() {
            "policy_hash" | "attempt" => continue,
            "positions" => format!("{} drawn", list.count()),
            "evidence" => {
                let word = |found: &Value, name| found[name].as_str().unwrap_or("?").to_owned();
                let found = list.map(|found| word(found, "kind") + ":" + &word(found, "result"));
                found.collect::<Vec<_>>().join(",")
            }
            _ => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
        };
        said.extend([" ", name, "=", &value]);
    }
    let actor = line["actor"].as_str().unwrap_or("?");
    if actor == "system" { said } else { format!("{said} by {actor}") }
}

/// A step with the number of positions asked instead of the positions, which are drawn.
fn counted(told: &str) -> String {
    let steps = told.split(", ").map(|step| match step.strip_prefix("asked ") {
        Some(asked) => format!("asked {}", asked.split_whitespace().count()),
        None => step.to_owned(),
    });
    steps.collect::<Vec<_>>().join(", ")
}
