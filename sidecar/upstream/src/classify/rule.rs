//! The form of a row: how a text begins, and what that means.

use zohorelay_smtp::reply::Reply;

use crate::classify::normal::Text;
use crate::failure::Class;

/// One known reply. All strings are lower case, with single blanks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// How the text begins.
    pub(super) start: &'static str,
    /// What stands somewhere behind the start; empty where the start says it all.
    pub(super) then: &'static str,
    /// What the reply means.
    pub(super) class: Class,
    place: Place,
    kind: Kind,
}

/// Where the start is looked for.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// At the front of the text.
    Front,
    /// The same, or behind the recipient's address that the server puts there.
    BehindAddress,
}

/// For which codes a row holds.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Any,
    Transient,
    Permanent,
}

/// A row that holds for every 4yz and 5yz.
pub(super) const fn rule(start: &'static str, class: Class) -> Rule {
    Rule {
        start,
        then: "",
        class,
        place: Place::Front,
        kind: Kind::Any,
    }
}

impl Rule {
    /// The text must also have `then` somewhere behind its start.
    pub(super) const fn then(self, then: &'static str) -> Self {
        Self { then, ..self }
    }

    /// The server may put the recipient's address before the text.
    pub(super) const fn behind_address(self) -> Self {
        Self {
            place: Place::BehindAddress,
            ..self
        }
    }

    /// Only for 4yz.
    pub(super) const fn transient(self) -> Self {
        Self {
            kind: Kind::Transient,
            ..self
        }
    }

    /// Only for 5yz.
    pub(super) const fn permanent(self) -> Self {
        Self {
            kind: Kind::Permanent,
            ..self
        }
    }

    /// Whether this row is about that reply.
    pub(super) fn fits(&self, reply: &Reply, text: &Text) -> bool {
        let kind_fits = match self.kind {
            Kind::Any => true,
            Kind::Transient => reply.is_transient(),
            Kind::Permanent => reply.is_permanent(),
        };
        kind_fits
            && self
                .begins(text)
                .is_some_and(|rest| rest.contains(self.then))
    }

    fn begins<'a>(&self, text: &'a Text) -> Option<&'a str> {
        match self.place {
            Place::Front => text.front().strip_prefix(self.start),
            Place::BehindAddress => text.behind_address().strip_prefix(self.start),
        }
    }
}
