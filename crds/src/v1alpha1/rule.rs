//! What the API server refuses by CEL, with messages that say what to do.
//!
//! What passes here passes the checks of the sidecar's document too, as far as an expression can
//! tell. The API server bounds what an expression may cost, so every text and list has a length.

use kube::core::{Message, Rule};
use schemars::{Schema, SchemaGenerator, json_schema};

/// The form of a host name: labels of RFC 1123 section 2.1, without a final dot.
const HOST: &str = "^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?[.])*\
                    [A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$";
/// Zoho's own domains: below them only 465 and 587 take mail from programs.
const ZOHO: &str = "^([^.]+[.])*(zoho[.](com|eu|in|com[.]au|jp|com[.]cn|sa|ae|uk)|zohocloud[.]ca\
                    |zeptomail[.](com|eu|in|com[.]au|com[.]cn))$";
/// What to do about a wrong port.
const SET_PORT: &str = "set port 465 with security ImplicitTls, or 587 with StartTls";

/// The name is a folder and a metric label in pods, and part of a Secret's name.
pub(super) fn name() -> Rule {
    let label = "self.metadata.name.matches(r'^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')";
    Rule::new(label).message(
        "metadata.name must be a DNS label: a-z, 0-9 and inner hyphens, no dots, at most 63 \
         characters; choose another name",
    )
}

/// A full address, which holds no control character by its form.
pub(super) fn address() -> Rule {
    Rule::new(is_address("self"))
        .message("a full address is needed here, as in billing@example.com; set one")
}

/// The list of aliases, each one a full address.
pub(super) fn aliases(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 100,
        "x-kubernetes-list-type": "set",
        "items": {
            "type": "string",
            "minLength": 3,
            "maxLength": 254,
            "x-kubernetes-validations": [address()]
        }
    })
}

/// Zoho does not tell `Info@` from `info@`, and neither do we.
pub(super) fn distinct() -> Rule {
    Rule::new("self.all(a, self.exists_one(b, b.lowerAscii() == a.lowerAscii()))")
        .message("an alias stands here twice, whatever the case of its letters; remove one of them")
}

pub(super) fn aliases_without_address() -> Rule {
    Rule::new(
        "!has(self.aliases) || \
         self.aliases.all(a, a.lowerAscii() != self.address.lowerAscii())",
    )
    .message("address stands among the aliases too; remove it from the aliases")
    .field_path(".aliases")
}

pub(super) fn username_of_mail() -> Rule {
    let username = "self.credentials.username";
    Rule::new(format!(
        "self.zoho.service != 'Mail' || !has({username}) || ({})",
        is_address(username)
    ))
    .message(
        "Zoho Mail takes the full address of the mailbox as user name; leave username out, or set \
         the address",
    )
    .field_path(".credentials.username")
}

pub(super) fn zeptomail_without_host() -> Rule {
    Rule::new(
        "self.zoho.service != 'ZeptoMail' || has(self.server) || \
         !(self.zoho.dataCenter in ['JP', 'CA', 'SA', 'AE'])",
    )
    .message(Message::Expression(
        "'no host of ZeptoMail is known in data centre ' + self.zoho.dataCenter + \
         ': set server.host, and let the operator allow that host by allowedUpstreamHosts'"
            .to_owned(),
    ))
}

pub(super) fn host() -> Rule {
    Rule::new(format!(
        "self.matches(r'{HOST}') && !self.matches(r'(^|[.])[0-9]+$')"
    ))
    .message(
        "a DNS name is needed here, as in smtppro.zoho.com: no IP address, which no certificate \
         of Zoho names, no port and no final dot",
    )
}

pub(super) fn port_25() -> Rule {
    Rule::new("!has(self.port) || self.port != 25")
        .message(&*format!(
            "Zoho takes mail from programs on 465 or 587, never on 25: {SET_PORT}"
        ))
        .field_path(".port")
}

pub(super) fn port_465() -> Rule {
    Rule::new(
        "!has(self.port) || self.port != 465 || !has(self.security) || \
         self.security == 'ImplicitTls'",
    )
    .message(
        "port 465 speaks TLS from the first byte: set security ImplicitTls, or port 587 with \
         StartTls",
    )
    .field_path(".security")
}

pub(super) fn port_587() -> Rule {
    Rule::new(
        "!has(self.port) || self.port != 587 || !has(self.security) || \
         self.security == 'StartTls'",
    )
    .message("port 587 begins TLS by STARTTLS: set security StartTls, or port 465 with ImplicitTls")
    .field_path(".security")
}

pub(super) fn port_of_zoho() -> Rule {
    Rule::new(format!(
        "!has(self.port) || self.port in [25, 465, 587] || \
         !self.host.lowerAscii().matches(r'{ZOHO}')"
    ))
    .message(&*format!(
        "Zoho takes mail from programs on 465 or 587 only: {SET_PORT}"
    ))
    .field_path(".port")
}

pub(super) fn security_of_port() -> Rule {
    Rule::new("!has(self.port) || self.port in [25, 465, 587] || has(self.security)").message(
        "a port other than 465 and 587 does not tell how TLS begins: set security to ImplicitTls \
         or StartTls",
    )
}

pub(super) fn certificates() -> Rule {
    Rule::new(
        "self.contains('-----BEGIN CERTIFICATE-----') && \
         self.contains('-----END CERTIFICATE-----')",
    )
    .message(
        "PEM certificates are needed here; copy whole blocks, from BEGIN CERTIFICATE to END \
         CERTIFICATE",
    )
}

/// It stands on the server, because the API server quotes the value of a text that it refuses.
pub(super) fn no_private_key() -> Rule {
    Rule::new("!has(self.caBundle) || !self.caBundle.contains('PRIVATE KEY-----')")
        .message(
            "a private key stands here; keep the certificates alone, and replace that key, since \
             others may have read it",
        )
        .field_path(".caBundle")
}

/// A line end in a text that reaches the wire would begin another header or command.
pub(super) fn one_line() -> Rule {
    Rule::new(r"!self.matches(r'\p{Cc}')")
        .message("a control character stands here, such as a line end, a tab or NUL; remove it")
}

pub(super) fn display_name_bytes() -> Rule {
    bytes(256)
}

pub(super) fn username_bytes() -> Rule {
    bytes(254)
}

/// The schema counts characters, the wire counts bytes.
fn bytes(most: u16) -> Rule {
    Rule::new(format!("size(bytes(self)) <= {most}")).message(&*format!(
        "more than {most} bytes of UTF-8 are refused; make it shorter"
    ))
}

pub(super) fn secret_name() -> Rule {
    Rule::new(
        "self.matches(r'^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",
    )
    .message(
        "the name of a Secret is needed here: a-z, 0-9, and inner hyphens and dots; it must be in \
         the namespace of the identity",
    )
}

pub(super) fn secret_key() -> Rule {
    Rule::new("self.matches(r'^[-._a-zA-Z0-9]+$')").message(
        "a key of a Secret is needed here, as in password: letters, digits, hyphens, underscores \
         and dots",
    )
}

pub(super) fn deadline() -> Rule {
    duration("1s", "5m")
}

pub(super) fn final_reply_timeout() -> Rule {
    duration("1s", "1h")
}

fn duration(least: &str, most: &str) -> Rule {
    Rule::new(format!(
        "self.matches(r'^([0-9]{{1,5}}[hms])+$') && duration(self) >= duration('{least}') && \
         duration(self) <= duration('{most}')"
    ))
    .message(&*format!(
        "whole seconds from {least} to {most} are needed here, as in 25s or 1m30s; set that"
    ))
}

pub(super) fn message_bytes() -> Rule {
    Rule::new(
        "string(self).matches(r'^[1-9][0-9]{0,8}(Ki|Mi)?$') && \
         !quantity(string(self)).isLessThan(quantity('1Ki')) && \
         !quantity(string(self)).isGreaterThan(quantity('51Mi'))",
    )
    .message("a size from 1Ki to 51Mi is needed here, as in 40Mi, 512Ki or 1048576; set one")
}

/// Whether the text is `Dot-string@Domain` of RFC 5321 section 4.1.2, with underscores in labels.
/// No mailbox of Zoho has a quoted local part or an IP address for a domain.
fn is_address(text: &str) -> String {
    const ATOM: &str = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
    const LABEL: &str = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?";
    format!(
        "{text}.matches(r\"^{ATOM}([.]{ATOM})*@{LABEL}([.]{LABEL})*$\") && \
         {text}.matches(r'^[^@]{{1,64}}@')"
    )
}
