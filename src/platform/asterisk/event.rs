//! From a channel that came in to who calls: what its variables say, and what the dialplan says. Pure.

use crate::call::input::PresentedIntent;
use crate::model::call_kind::Collects;
use crate::model::ids::IntentHandle;
use crate::model::ids::TrunkName;
use crate::platform::claims;
use crate::sip::message::NameAddr;
use crate::wire::ari::Channel;
use crate::wire::events::Arrival;

/// What the variables of a channel say. Prints nothing: all of it is personal.
#[derive(Default)]
pub(super) struct Found {
    /// The app's handle.
    pub(super) intent: Option<String>,
    /// `User-to-User`, which may carry the handle.
    pub(super) user_to_user: Option<String>,
    /// The asserted identity: a header, or a number.
    pub(super) asserted: Option<String>,
    /// The carrier's word for the verification of the number.
    pub(super) verstat: Option<String>,
    /// Whom the dialplan takes the caller for.
    pub(super) customer: Option<String>,
}

/// Who calls. The dialplan may say `dnis=…` and `queue=…` as arguments of `Stasis()`; nothing there says
/// how far a number is believed, because callers choose what stands in many a variable.
pub(super) fn arrival(
    channel: &Channel,
    args: &[String],
    found: Found,
    trunk: Option<&TrunkName>,
) -> Arrival {
    let said = |name: &str| {
        args.iter().find_map(|arg| arg.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
    };
    let identity = found.asserted.as_deref().and_then(|header| NameAddr::parse(header).ok());
    let told = identity.as_ref().and_then(|identity| claims::verstat(&identity.uri));
    let asserted = match &identity {
        Some(identity) => number(identity),
        None => found.asserted,
    };
    let handle = found.intent.or_else(|| claims::user_to_user(&found.user_to_user?));
    Arrival {
        ani: asserted.or_else(|| channel.number.clone()),
        cli: channel.number.clone(),
        dnis: said("dnis").or_else(|| channel.dialled.clone()),
        verstat: told.or(found.verstat),
        trunk: trunk.cloned(),
        intent: handle.map(|handle| {
            let handle = IntentHandle::parse(handle.trim());
            handle.map_or(PresentedIntent::Unreadable, PresentedIntent::Handle)
        }),
        customer: found.customer.and_then(|customer| customer.parse().ok()),
        queue: said("queue").and_then(|queue| queue.parse().ok()),
        collects: Collects::UntilHandedOver,
        ..Arrival::default()
    }
}

/// The number in an identity, without parameters of its user part.
fn number(identity: &NameAddr) -> Option<String> {
    identity.uri.user_decoded()?.split(';').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel() -> Channel {
        Channel {
            id: "1795290523.1".into(),
            number: Some("+442079460124".into()),
            dialled: Some("s".into()),
            ..Channel::default()
        }
    }

    #[test]
    fn b04_b06_x16_who_calls_is_what_the_channel_and_its_variables_say() {
        let asserted = |text: &str| Found { asserted: Some(text.into()), ..Found::default() };
        for (found, ani, verstat) in [
            (Found::default(), "+442079460124", None),
            (asserted("+442079460123"), "+442079460123", None),
            (
                asserted("\"x\" <sip:+442079460123;verstat=TN-Validation-Passed-A@carrier>"),
                "+442079460123",
                Some("TN-Validation-Passed-A"),
            ),
            (asserted("<sip:anonymous@anonymous.invalid>"), "anonymous", None),
        ] {
            let arrival = arrival(&channel(), &[], found, None);
            assert_eq!((arrival.ani.as_deref(), arrival.verstat.as_deref()), (Some(ani), verstat));
            assert_eq!(arrival.cli.as_deref(), Some("+442079460124"));
            assert_eq!(arrival.collects, Collects::UntilHandedOver);
        }
    }

    #[test]
    fn contract_4_the_dialplan_names_number_and_queue_and_no_trunk() {
        let args = ["dnis=+448001234", "queue=cards", "trunk=office", "x"].map(str::to_owned);
        let arrival = arrival(&channel(), &args, Found::default(), None);
        assert_eq!(arrival.dnis.as_deref(), Some("+448001234"));
        assert_eq!(arrival.queue.as_ref().map(crate::model::ids::QueueName::as_str), Some("cards"));
        assert_eq!(arrival.trunk, None);
    }

    #[test]
    fn b04_the_handle_comes_as_it_is_or_in_user_to_user() {
        let handle = "0123456789abcdef0123456789abcdef";
        let hex = crate::model::ids::hex(handle.as_bytes());
        for found in [
            Found { intent: Some(handle.into()), ..Found::default() },
            Found { user_to_user: Some(format!("{hex};encoding=hex")), ..Found::default() },
        ] {
            let Some(PresentedIntent::Handle(read)) = arrival(&channel(), &[], found, None).intent
            else {
                panic!("a handle");
            };
            assert_eq!(read.expose(), handle);
        }
        let wrong = Found { intent: Some("x".into()), ..Found::default() };
        let intent = arrival(&channel(), &[], wrong, None).intent;
        assert!(matches!(intent, Some(PresentedIntent::Unreadable)));
    }
}
