//! The header fields that the policy knows by name, and sets of them.

/// A header field that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    From,
    Sender,
    ReplyTo,
    To,
    Cc,
    Bcc,
    ResentBcc,
    Subject,
    Date,
    MessageId,
    DkimSignature,
    ArcMessageSignature,
    ArcSeal,
    ArcAuthenticationResults,
}

impl Kind {
    const ALL: [Self; 14] = [
        Self::From,
        Self::Sender,
        Self::ReplyTo,
        Self::To,
        Self::Cc,
        Self::Bcc,
        Self::ResentBcc,
        Self::Subject,
        Self::Date,
        Self::MessageId,
        Self::DkimSignature,
        Self::ArcMessageSignature,
        Self::ArcSeal,
        Self::ArcAuthenticationResults,
    ];

    /// The name of the field.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::From => "From",
            Self::Sender => "Sender",
            Self::ReplyTo => "Reply-To",
            Self::To => "To",
            Self::Cc => "Cc",
            Self::Bcc => "Bcc",
            Self::ResentBcc => "Resent-Bcc",
            Self::Subject => "Subject",
            Self::Date => "Date",
            Self::MessageId => "Message-ID",
            Self::DkimSignature => "DKIM-Signature",
            Self::ArcMessageSignature => "ARC-Message-Signature",
            Self::ArcSeal => "ARC-Seal",
            Self::ArcAuthenticationResults => "ARC-Authentication-Results",
        }
    }

    /// The kind of a field name (ASCII case-insensitive, RFC 5322 1.2.2).
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| name.eq_ignore_ascii_case(kind.name().as_bytes()))
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kinds(u16);

impl Kinds {
    /// The blind copies, which no recipient may see.
    pub(super) const BLIND: Self = Self(1 << Kind::Bcc as u16 | 1 << Kind::ResentBcc as u16);
    /// The fields that are of no use once a signed header changed.
    pub(super) const SIGNATURES: Self = Self(
        1 << Kind::DkimSignature as u16
            | 1 << Kind::ArcMessageSignature as u16
            | 1 << Kind::ArcSeal as u16
            | 1 << Kind::ArcAuthenticationResults as u16,
    );

    pub(super) fn insert(&mut self, kind: Kind) {
        self.0 |= 1 << kind as u16;
    }

    pub(super) fn contains(self, kind: Kind) -> bool {
        self.0 & 1 << kind as u16 != 0
    }

    pub(super) fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }
}
