//! The fields that are one word of a few. The API server takes no other word.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! choices {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// The value in YAML.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

choices! {
    /// A service of Zoho.
    Service {
        /// Zoho Mail.
        #[default]
        Mail = "Mail",
        /// `ZeptoMail`, for transactional mail.
        ZeptoMail = "ZeptoMail",
    }
}

choices! {
    /// A Zoho data centre; an account lives in exactly one.
    DataCenter {
        /// United States.
        #[default]
        Us = "US",
        /// Europe.
        Eu = "EU",
        /// India.
        In = "IN",
        /// Australia.
        Au = "AU",
        /// Japan.
        Jp = "JP",
        /// China.
        Cn = "CN",
        /// Canada.
        Ca = "CA",
        /// Saudi Arabia.
        Sa = "SA",
        /// United Arab Emirates; unconfirmed.
        Ae = "AE",
    }
}

choices! {
    /// The kind of account, which decides between two hosts.
    AccountType {
        /// A paid organisation.
        #[default]
        Organization = "Organization",
        /// A personal account or a free organisation.
        Personal = "Personal",
    }
}

choices! {
    /// How TLS begins.
    Security {
        /// TLS from the first byte, port 465.
        #[default]
        ImplicitTls = "ImplicitTls",
        /// TLS by STARTTLS, port 587.
        StartTls = "StartTls",
    }
}

choices! {
    /// Whether an untried login may be published.
    Verification {
        /// Yes, after a while without a verdict.
        #[default]
        BestEffort = "BestEffort",
        /// Never.
        Required = "Required",
    }
}

choices! {
    /// What to do with a mail whose From is foreign.
    ForeignFrom {
        /// Refuse it.
        #[default]
        Reject = "Reject",
        /// Send it as the identity.
        Rewrite = "Rewrite",
        /// Attach it to a mail of the identity.
        Attach = "Attach",
        /// Let Zoho decide.
        Pass = "Pass",
    }
}

choices! {
    /// What an app is told when the outcome is unknown.
    UnknownOutcome {
        /// 451.
        #[default]
        Retry = "Retry",
        /// 554.
        Fail = "Fail",
    }
}

choices! {
    /// What to do with a bare LF.
    LineEndings {
        /// It becomes CRLF.
        #[default]
        Normalise = "Normalise",
        /// The mail is refused.
        Strict = "Strict",
    }
}
