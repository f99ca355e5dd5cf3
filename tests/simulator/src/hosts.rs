//! Zoho's published submission hosts and the data centre behind each (`docs/zoho.md` hosts).

use serde::{Deserialize, Serialize};

/// A Zoho data centre. An account lives in exactly one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum DataCentre {
    /// United States, `.com`.
    #[default]
    Us,
    /// Europe, `.eu`.
    Eu,
    /// India, `.in`.
    In,
    /// Australia, `.com.au`.
    Au,
    /// Japan, `.jp`.
    Jp,
    /// China, `.com.cn`.
    Cn,
    /// Canada, `zohocloud.ca`.
    Ca,
    /// Saudi Arabia, `.sa`.
    Sa,
    /// United Arab Emirates, `.ae` (unconfirmed).
    Ae,
}

/// Every host that Zoho publishes for submission, Zoho Mail and `ZeptoMail`.
pub const PUBLISHED_HOSTS: [(&str, DataCentre); 26] = [
    ("smtp.zoho.com", DataCentre::Us),
    ("smtppro.zoho.com", DataCentre::Us),
    ("smtp.zoho.eu", DataCentre::Eu),
    ("smtppro.zoho.eu", DataCentre::Eu),
    ("smtp.zoho.in", DataCentre::In),
    ("smtppro.zoho.in", DataCentre::In),
    ("smtp.zoho.com.au", DataCentre::Au),
    ("smtppro.zoho.com.au", DataCentre::Au),
    ("smtp.zoho.jp", DataCentre::Jp),
    ("smtppro.zoho.jp", DataCentre::Jp),
    ("smtp.zoho.com.cn", DataCentre::Cn),
    ("smtppro.zoho.com.cn", DataCentre::Cn),
    ("smtp.zohocloud.ca", DataCentre::Ca),
    ("smtppro.zohocloud.ca", DataCentre::Ca),
    ("smtp.zoho.sa", DataCentre::Sa),
    ("smtppro.zoho.sa", DataCentre::Sa),
    ("smtp.zoho.ae", DataCentre::Ae),
    ("smtppro.zoho.ae", DataCentre::Ae),
    ("smtp.zeptomail.com", DataCentre::Us),
    ("smtp.zeptomail.eu", DataCentre::Eu),
    ("smtp.zeptomail.in", DataCentre::In),
    ("smtp.zeptomail.com.au", DataCentre::Au),
    ("smtp.zeptomail.com.cn", DataCentre::Cn),
    ("smtp.zeptomail.jp", DataCentre::Jp),
    ("smtp.zeptomail.ca", DataCentre::Ca),
    ("smtp.zeptomail.sa", DataCentre::Sa),
];

/// The data centre that the client asked for by the TLS server name; `None` for a name that is
/// not Zoho's.
pub(crate) fn data_centre_of(server_name: &str) -> Option<DataCentre> {
    PUBLISHED_HOSTS
        .iter()
        .find(|(host, _)| host.eq_ignore_ascii_case(server_name))
        .map(|(_, data_centre)| *data_centre)
}
