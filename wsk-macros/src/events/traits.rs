//! The traits of events, and their methods.

use syn::Ident;
use syn::ext::IdentExt as _;

/// The associated type of the traits that has the set of methods.
pub(super) const ATTRIBUTE: &str = "WskEventsAttribute";

/// A trait of events.
pub(super) struct Trait {
    pub(super) name: &'static str,
    /// The way a type with this trait listens, if it does.
    pub(super) listens: Option<&'static str>,
    pub(super) methods: &'static [Method],
}

/// A method of a trait of events.
pub(super) struct Method {
    pub(super) name: &'static str,
    /// Its constant in `wsk::events::methods`, if the table depends on it.
    pub(super) constant: Option<&'static str>,
    pub(super) parameters: usize,
    pub(super) signature: &'static str,
}

const ACCEPT: Method = Method {
    name: "accept",
    constant: Some("ACCEPT"),
    parameters: 1,
    signature: "fn accept(&self, incoming: Incoming<'_, Self::Connection>)",
};
const DEAD: Method =
    Method { name: "dead", constant: None, parameters: 0, signature: "fn dead(&self)" };

pub(super) static TRAITS: [Trait; 4] = [
    Trait { name: "ListenEvents", listens: Some("Accepting"), methods: &[ACCEPT, DEAD] },
    Trait {
        name: "ConditionalListenEvents",
        listens: Some("Inspecting"),
        methods: &[
            ACCEPT,
            Method {
                name: "inspect",
                constant: None,
                parameters: 1,
                signature: "fn inspect(&self, inspection: Inspection<'_>)",
            },
            Method {
                name: "aborted",
                constant: None,
                parameters: 1,
                signature: "fn aborted(&self, id: InspectId)",
            },
            DEAD,
        ],
    },
    Trait {
        name: "DatagramEvents",
        listens: None,
        methods: &[
            Method {
                name: "receive_from",
                constant: Some("RECEIVE_FROM"),
                parameters: 1,
                signature: "fn receive_from(&self, datagrams: Datagrams<'_>) -> Disposition",
            },
            DEAD,
        ],
    },
    Trait {
        name: "ConnectionEvents",
        listens: None,
        methods: &[
            Method {
                name: "receive",
                constant: Some("RECEIVE"),
                parameters: 1,
                signature: "fn receive(&self, data: Data<'_>) -> Receipt",
            },
            Method {
                name: "disconnected",
                constant: Some("DISCONNECTED"),
                parameters: 2,
                signature: "fn disconnected(&self, abortive: bool, level: CallbackIrql)",
            },
            Method {
                name: "send_backlog",
                constant: Some("SEND_BACKLOG"),
                parameters: 1,
                signature: "fn send_backlog(&self, ideal: usize)",
            },
            DEAD,
        ],
    },
];

pub(super) const TRAIT_NAMES: &str =
    "`ListenEvents`, `ConditionalListenEvents`, `DatagramEvents` or `ConnectionEvents`";

impl Trait {
    pub(super) fn method(&self, name: &Ident) -> Option<&'static Method> {
        let name = name.unraw();
        self.methods.iter().find(|method| name == method.name)
    }

    /// The names of its methods, for messages.
    pub(super) fn list(&self) -> String {
        let names: Vec<String> =
            self.methods.iter().map(|method| format!("`{}`", method.name)).collect();
        names.join(", ")
    }
}
