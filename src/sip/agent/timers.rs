//! What time wants.

use crate::model::time::Uptime;
use crate::sip::agent::Asked;
use crate::sip::agent::Due;
use crate::sip::agent::GoneWhy;
use crate::sip::agent::LegEvent;
use crate::sip::agent::Server;
use crate::sip::agent::UserAgent;
use crate::sip::agent::What;
use crate::sip::agent::leg::Leg;
use crate::sip::agent::leg::Phase;
use crate::sip::transaction::Key;
use crate::sip::transaction::Tick;

impl UserAgent {
    pub(super) fn due(&mut self, due: Due, now: Uptime) {
        match due {
            Due::Leg(leg) => self.with_leg(leg, |agent, leg| agent.leg_due(leg, now)),
            Due::Server(key) => self.server_due(key, now),
            Due::Client(key) => self.client_due(key, now),
            Due::Strangers => self.strangers.forget(),
        }
    }

    fn leg_due(&mut self, leg: &mut Leg, now: Uptime) {
        if let Phase::Ringing(ringing) = &leg.phase {
            if ringing.until <= now {
                self.give_up_ringing(leg, now);
            } else if ringing.again.is_some_and(|again| again <= now) {
                self.ring(leg, now);
            }
            return;
        }
        self.watch_refer(leg, now);
        self.await_acks(leg, now);
    }

    fn server_due(&mut self, key: Key, now: Uptime) {
        let Some(served) = self.servers.get_mut(&key) else { return };
        let peer = served.peer;
        let (tick, at, bytes) = match &mut served.transaction {
            Server::Invite(transaction) => {
                (transaction.timeout(now), transaction.deadline(), transaction.latest().to_vec())
            }
            Server::Other(transaction) => {
                (transaction.timeout(now), transaction.deadline(), Vec::new())
            }
        };
        match tick {
            Tick::Idle => self.agenda.set(Due::Server(key), at),
            Tick::Resend => {
                self.agenda.set(Due::Server(key), at);
                self.resend(peer, &bytes);
            }
            Tick::TimedOut | Tick::Ended => {
                let served = self.servers.remove(&key);
                if let Some(merge) = served.and_then(|served| served.merge) {
                    self.merging.remove(&merge);
                }
            }
        }
    }

    fn client_due(&mut self, key: Key, now: Uptime) {
        let Some(Asked { client, peer, leg, what }) = self.clients.get_mut(&key) else { return };
        let (peer, leg, what) = (*peer, *leg, *what);
        let (tick, at, bytes) = (client.timeout(now), client.deadline(), client.request().to_vec());
        match tick {
            Tick::Idle => self.agenda.set(Due::Client(key), Some(at)),
            Tick::Resend => {
                self.agenda.set(Due::Client(key), Some(at));
                self.resend(peer, &bytes);
            }
            Tick::Ended => {
                self.clients.remove(&key);
            }
            Tick::TimedOut => {
                self.clients.remove(&key);
                self.with_leg(leg, |agent, leg| match what {
                    What::Bye => agent.end(leg, LegEvent::Gone { why: GoneWhy::ByeTimedOut }),
                    What::Refer => agent.refer_unanswered(leg),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::sip::agent::Command;
    use crate::sip::agent::LegEvent;
    use crate::sip::agent::LegId;
    use crate::sip::agent::script::OFFER;
    use crate::sip::agent::script::Script;
    use crate::sip::agent::script::answer;
    use crate::sip::agent::script::config;
    use crate::sip::message::Message;

    /// Every end a call can take, ten thousand calls in all.
    #[test]
    fn ten_thousand_calls_leave_nothing_behind() {
        let mut config = config();
        config.max_legs = 10_000;
        let mut peer = Script::with(config);
        for number in 0..10_000_u32 {
            peer.call_id = format!("call-{number}");
            peer.invites(OFFER);
            assert!(peer.said().status < 300, "call {number}: {:?}", peer.said());
            match number % 5 {
                0 => drop(peer.sends_again("CANCEL", "")),
                1 => {
                    let command =
                        Command::Reject { status: 486, retry_after: None, reason_q850: None };
                    peer.wants(command);
                }
                2 => drop(peer.wants(answer())),
                3 => {
                    peer.wants(answer()).acks("").requests("INFO", "x").requests("BYE", "");
                }
                _ => {
                    peer.wants(answer()).acks("").wants(Command::Bye { cause: 16 });
                }
            }
            if number % 100 == 99 {
                peer.waits(1);
            }
        }
        peer.is_forgotten();
    }

    /// One thing that may happen to a call.
    #[derive(Clone, Copy, Debug)]
    enum Happening {
        Peer(&'static str, &'static str),
        Again(&'static str),
        Responds(u16),
        Ring,
        Answer,
        Refer,
        Reject,
        Bye,
        Waits(u64),
    }

    fn any_happening() -> impl Strategy<Value = Happening> {
        use Happening as H;
        let peer = |methods: &'static [&'static str]| {
            let bodies = prop::sample::select(&["", OFFER, "x"][..]);
            (prop::sample::select(methods), bodies).prop_map(|(method, body)| H::Peer(method, body))
        };
        prop_oneof![
            3 => peer(&["INVITE", "ACK", "INFO", "UPDATE", "NOTIFY", "OPTIONS"]),
            1 => peer(&["BYE", "CANCEL", "PRACK", "FOO"]),
            2 => prop::sample::select(&["INVITE", "ACK", "CANCEL", "INFO", "BYE"][..]).prop_map(H::Again),
            1 => prop::sample::select(&[100, 202, 403, 481][..]).prop_map(H::Responds),
            3 => prop::sample::select(&[H::Ring, H::Answer, H::Answer, H::Refer][..]),
            1 => prop::sample::select(&[H::Reject, H::Bye][..]),
            2 => (0..40_u64).prop_map(H::Waits),
        ]
    }

    fn happens(call: &mut Script, what: Happening) {
        match what {
            Happening::Peer(method, body) => drop(call.requests(method, body)),
            Happening::Again(method) => drop(call.sends_again(method, "")),
            Happening::Responds(status) => {
                let asked = call.sent.iter().any(|(_, sent)| matches!(sent, Message::Request(_)));
                if asked {
                    call.responds(status);
                }
            }
            Happening::Ring => drop(call.wants(Command::Ring)),
            Happening::Answer => drop(call.wants(answer())),
            Happening::Refer => drop(call.wants(Command::Refer { target: "sip:q@pbx".to_owned() })),
            Happening::Reject => {
                let (status, retry_after, reason_q850) = (486, None, None);
                call.wants(Command::Reject { status, retry_after, reason_q850 });
            }
            Happening::Bye => drop(call.wants(Command::Bye { cause: 16 })),
            Happening::Waits(seconds) => drop(call.waits(seconds)),
        }
    }

    proptest! {
        #[test]
        fn whatever_happens_every_leg_ends_once_and_leaves_nothing(
            happenings in prop::collection::vec(any_happening(), 0..40)
        ) {
            let mut call = Script::new();
            call.invites(OFFER);
            for happening in happenings {
                happens(&mut call, happening);
            }
            for leg in 1..=call.agent.legs_begun {
                call.leg = LegId(leg);
                call.wants(Command::Bye { cause: 16 });
            }
            call.waits(100);
            let ends = call.events.iter().filter(|event| {
                matches!(event, LegEvent::Cancelled | LegEvent::Bye { .. } | LegEvent::Gone { .. })
            });
            let begun = usize::try_from(call.agent.legs_begun).expect("few");
            prop_assert_eq!(ends.count(), begun);
            call.is_forgotten();
        }

        #[test]
        fn no_datagram_upsets_the_agent(cuts in prop::collection::vec((0..900_usize, any::<u8>()), 0..4)) {
            let mut call = Script::talking();
            for method in ["INVITE", "INFO", "BYE", "ACK", "NOTIFY"] {
                let mut bytes = call.text(method, OFFER).into_bytes();
                for (at, byte) in &cuts {
                    if let Some(place) = bytes.get_mut(*at) {
                        *place = *byte;
                    }
                }
                let (source, now) = (call.source, call.now);
                let _ = call.agent.datagram(&bytes, source, now);
            }
        }
    }
}
