//! What the API server refuses, word for word: the CEL rules of the manifest, evaluated here.
#![expect(
    clippy::unwrap_used,
    reason = "a manifest that cannot be made fails the test"
)]

use kube_cel::{CompiledSchema, ValidationErrors, Validator, compile_schema};
use proptest::prelude::*;
use serde_json::{Value, json};
use zohorelay_crds::manifest;
use zohorelay_smtp::address::Address;

const ADDRESS: &str = "a full address is needed here, as in billing@example.com; set one";
const ALIAS_TWICE: &str =
    "an alias stands here twice, whatever the case of its letters; remove one of them";
const ALIAS_IS_ADDRESS: &str = "address stands among the aliases too; remove it from the aliases";
const CONTROL: &str =
    "a control character stands here, such as a line end, a tab or NUL; remove it";
const HOST: &str = "a DNS name is needed here, as in smtppro.zoho.com: no IP address, which no \
                    certificate of Zoho names, no port and no final dot";
const NAME: &str = "metadata.name must be a DNS label: a-z, 0-9 and inner hyphens, no dots, at \
                    most 63 characters; choose another name";
const PORT_25: &str = "Zoho takes mail from programs on 465 or 587, never on 25: set port 465 with \
                       security ImplicitTls, or 587 with StartTls";
const PORT_465: &str = "port 465 speaks TLS from the first byte: set security ImplicitTls, or port \
                        587 with StartTls";
const PORT_587: &str = "port 587 begins TLS by STARTTLS: set security StartTls, or port 465 with \
                        ImplicitTls";
const PORT_OF_ZOHO: &str = "Zoho takes mail from programs on 465 or 587 only: set port 465 with \
                            security ImplicitTls, or 587 with StartTls";
const SECURITY: &str = "a port other than 465 and 587 does not tell how TLS begins: set security \
                        to ImplicitTls or StartTls";
const USERNAME: &str = "Zoho Mail takes the full address of the mailbox as user name; leave \
                        username out, or set the address";
const CERTIFICATES: &str = "PEM certificates are needed here; copy whole blocks, from BEGIN \
                            CERTIFICATE to END CERTIFICATE";
const PRIVATE_KEY: &str = "a private key stands here; keep the certificates alone, and replace \
                           that key, since others may have read it";
const SECRET_NAME: &str = "the name of a Secret is needed here: a-z, 0-9, and inner hyphens and \
                           dots; it must be in the namespace of the identity";
const SECRET_KEY: &str = "a key of a Secret is needed here, as in password: letters, digits, \
                          hyphens, underscores and dots";
const SIZE: &str = "a size from 1Ki to 51Mi is needed here, as in 40Mi, 512Ki or 1048576; set one";
const DEADLINE: &str = "whole seconds from 1s to 5m are needed here, as in 25s or 1m30s; set that";
const FINAL_REPLY: &str =
    "whole seconds from 1s to 1h are needed here, as in 25s or 1m30s; set that";
const BYTES_254: &str = "more than 254 bytes of UTF-8 are refused; make it shorter";
const BYTES_256: &str = "more than 256 bytes of UTF-8 are refused; make it shorter";

struct Rules(CompiledSchema);

impl Rules {
    fn new() -> Self {
        let definition = manifest::mail_identity().unwrap();
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let compiled = compile_schema(schema);
        assert!(
            !compiled.has_errors(),
            "{:?}",
            compiled.compilation_errors()
        );
        Self(compiled)
    }

    /// What is refused, as `path: message`.
    fn judge(&self, object: &Value) -> Vec<String> {
        let verdict = Validator::new().validate_compiled(&self.0, object, None);
        let errors = verdict.err().map(ValidationErrors::into_vec);
        let mut refusals: Vec<_> = errors
            .unwrap_or_default()
            .into_iter()
            .map(|error| format!("{}: {}", error.field_path, error.message))
            .collect();
        refusals.sort();
        refusals
    }
}

/// A good identity with other values at some JSON pointers; missing objects are made.
fn identity(changes: &[(&str, Value)]) -> Value {
    let mut object = json!({
        "apiVersion": "zohorelay.dev/v1alpha1",
        "kind": "MailIdentity",
        "metadata": {"name": "billing", "namespace": "shop"},
        "spec": {
            "address": "billing@example.com",
            "credentials": {"passwordSecretRef": {"name": "billing-zoho", "key": "password"}}
        }
    });
    for (path, value) in changes {
        let mut place = &mut object;
        for part in path.split('.') {
            place = &mut place[part];
        }
        *place = value.clone();
    }
    object
}

fn server(fields: &Value) -> Value {
    let mut server = json!({"host": "smtppro.zoho.com"});
    for (name, value) in fields.as_object().into_iter().flatten() {
        server[name] = value.clone();
    }
    server
}

/// A path, a value for it, and the refusal if there is one: its path and its message.
type Row<'a> = (&'a str, Value, Option<(&'a str, &'a str)>);

fn assert_rows(rows: &[Row<'_>]) {
    let rules = Rules::new();
    for (path, value, refusal) in rows {
        let expected: Vec<_> = refusal
            .iter()
            .map(|(path, message)| format!("{path}: {message}"))
            .collect();
        let judged = rules.judge(&identity(&[(path, value.clone())]));
        assert_eq!(judged, expected, "{path} = {value}");
    }
}

#[test]
fn names_are_dns_labels() {
    assert_rows(&[
        ("metadata.name", json!("billing-2"), None),
        ("metadata.name", json!("7"), None),
        ("metadata.name", json!("a".repeat(63)), None),
        ("metadata.name", json!("a".repeat(64)), Some(("", NAME))),
        ("metadata.name", json!("billing.eu"), Some(("", NAME))),
    ]);
}

#[test]
fn addresses_are_full_addresses() {
    let longest_local = format!("{}@b.c", "x".repeat(64));
    let refused = Some(("spec.address", ADDRESS));
    assert_rows(&[
        (
            "spec.address",
            json!("o'brien+x.y@mail_1.example.com"),
            None,
        ),
        ("spec.address", json!(longest_local), None),
        ("spec.address", json!(format!("x{longest_local}")), refused),
        ("spec.address", json!("billing"), refused),
        ("spec.address", json!("a..b@example.com"), refused),
        ("spec.address", json!("a b@example.com"), refused),
        ("spec.address", json!("a@-example.com"), refused),
        ("spec.address", json!("a@example.com."), refused),
        ("spec.address", json!("ä@example.com"), refused),
        ("spec.address", json!("a@example.com\n"), refused),
        (
            "spec.address",
            json!("a@example.com\r\nRCPT TO:<b@c>"),
            refused,
        ),
        ("spec.address", json!("a\0@example.com"), refused),
        (
            "spec.address",
            json!(format!("a@{}.c", "b".repeat(63))),
            None,
        ),
        (
            "spec.address",
            json!(format!("a@{}.c", "b".repeat(64))),
            refused,
        ),
    ]);
}

#[test]
fn aliases_are_distinct_full_addresses_and_not_the_address() {
    assert_rows(&[
        (
            "spec.aliases",
            json!(["a@example.com", "b@example.com"]),
            None,
        ),
        ("spec.aliases", json!([]), None),
        (
            "spec.aliases",
            json!(["a@example.com", "no address"]),
            Some(("spec.aliases[1]", ADDRESS)),
        ),
        (
            "spec.aliases",
            json!(["a@example.com", "A@Example.com"]),
            Some(("spec.aliases", ALIAS_TWICE)),
        ),
        (
            "spec.aliases",
            json!(["a@example.com", "Billing@example.com"]),
            Some(("spec.aliases", ALIAS_IS_ADDRESS)),
        ),
    ]);
}

#[test]
fn texts_that_reach_the_wire_are_one_line() {
    let refused = Some(("spec.displayName", CONTROL));
    assert_rows(&[
        ("spec.displayName", json!("Example \u{2013} Büro"), None),
        (
            "spec.displayName",
            json!("Example\r\nBcc: all@example.com"),
            refused,
        ),
        ("spec.displayName", json!("Example\n"), refused),
        ("spec.displayName", json!("Example\r"), refused),
        ("spec.displayName", json!("Exam\0ple"), refused),
        ("spec.displayName", json!("Exam\tple"), refused),
        ("spec.displayName", json!("Exam\u{7f}ple"), refused),
        ("spec.displayName", json!("Exam\u{85}ple"), refused),
        ("spec.displayName", json!("é".repeat(128)), None),
        (
            "spec.displayName",
            json!("é".repeat(129)),
            Some(("spec.displayName", BYTES_256)),
        ),
    ]);
}

#[test]
fn the_user_name_of_mail_is_an_address_and_that_of_zeptomail_any_line() {
    let path = "spec.credentials.username";
    assert_rows(&[
        (path, json!("login@example.com"), None),
        (path, json!("login"), Some((path, USERNAME))),
    ]);
    let rules = Rules::new();
    let zeptomail = |username: &str| {
        rules.judge(&identity(&[
            ("spec.zoho.service", json!("ZeptoMail")),
            (path, json!(username)),
        ]))
    };
    assert!(zeptomail("emailapikey").is_empty());
    assert_eq!(zeptomail("email\napikey"), [format!("{path}: {CONTROL}")]);
    assert_eq!(
        zeptomail(&"é".repeat(128)),
        [format!("{path}: {BYTES_254}")]
    );
}

#[test]
fn port_and_security_fit_each_other() {
    let at = |path, message| Some((path, message));
    let (port, security) = ("spec.server.port", "spec.server.security");
    let gateway = "gateway.example.com";
    assert_rows(&[
        ("spec.server", server(&json!({})), None),
        ("spec.server", server(&json!({"port": 465})), None),
        ("spec.server", server(&json!({"port": 587})), None),
        (
            "spec.server",
            server(&json!({"security": "StartTls"})),
            None,
        ),
        (
            "spec.server",
            server(&json!({"port": 465, "security": "ImplicitTls"})),
            None,
        ),
        (
            "spec.server",
            server(&json!({"port": 587, "security": "StartTls"})),
            None,
        ),
        (
            "spec.server",
            server(&json!({"port": 25})),
            at(port, PORT_25),
        ),
        (
            "spec.server",
            server(&json!({"port": 25, "security": "StartTls"})),
            at(port, PORT_25),
        ),
        (
            "spec.server",
            server(&json!({"port": 465, "security": "StartTls"})),
            at(security, PORT_465),
        ),
        (
            "spec.server",
            server(&json!({"port": 587, "security": "ImplicitTls"})),
            at(security, PORT_587),
        ),
        (
            "spec.server",
            server(&json!({"port": 2525, "security": "StartTls"})),
            at(port, PORT_OF_ZOHO),
        ),
        (
            "spec.server",
            json!({"host": "SMTP.Zoho.com.CN", "port": 2525, "security": "StartTls"}),
            at(port, PORT_OF_ZOHO),
        ),
        (
            "spec.server",
            json!({"host": gateway, "port": 25}),
            at(port, PORT_25),
        ),
        (
            "spec.server",
            json!({"host": gateway, "port": 2525, "security": "StartTls"}),
            None,
        ),
        (
            "spec.server",
            json!({"host": "notzoho.com", "port": 1, "security": "ImplicitTls"}),
            None,
        ),
        (
            "spec.server",
            json!({"host": gateway, "port": 2525}),
            at("spec.server", SECURITY),
        ),
    ]);
}

#[test]
fn hosts_are_dns_names() {
    let refused = Some(("spec.server.host", HOST));
    let label = "a".repeat(63);
    assert_rows(&[
        ("spec.server.host", json!("localhost"), None),
        ("spec.server.host", json!("3com.example.com"), None),
        ("spec.server.host", json!(format!("{label}.com")), None),
        ("spec.server.host", json!(format!("a{label}.com")), refused),
        ("spec.server.host", json!("192.0.2.1"), refused),
        ("spec.server.host", json!("2001:db8::1"), refused),
        ("spec.server.host", json!("[2001:db8::1]"), refused),
        ("spec.server.host", json!("smtp.zoho.com."), refused),
        ("spec.server.host", json!("smtp.zoho.com:465"), refused),
        ("spec.server.host", json!("smtp..zoho.com"), refused),
        ("spec.server.host", json!("smtp_1.zoho.com"), refused),
        ("spec.server.host", json!("smtp.zoho.com\n"), refused),
    ]);
}

#[test]
fn a_ca_bundle_is_certificates_and_no_key() {
    let block = |what: &str| format!("-----BEGIN {what}-----\nMAA=\n-----END {what}-----\n");
    let certificate = block("CERTIFICATE");
    let refused = |message| Some(("spec.server.caBundle", message));
    assert_rows(&[
        (
            "spec.server",
            server(&json!({"caBundle": certificate})),
            None,
        ),
        (
            "spec.server",
            server(&json!({"caBundle": "ca.crt"})),
            refused(CERTIFICATES),
        ),
        (
            "spec.server",
            server(&json!({"caBundle": "-----BEGIN CERTIFICATE-----\nMAA="})),
            refused(CERTIFICATES),
        ),
        (
            "spec.server",
            server(&json!({"caBundle": format!("{certificate}{}", block("PRIVATE KEY"))})),
            refused(PRIVATE_KEY),
        ),
        (
            "spec.server",
            server(&json!({"caBundle": format!("{certificate}{}", block("EC PRIVATE KEY"))})),
            refused(PRIVATE_KEY),
        ),
    ]);
}

#[test]
fn zeptomail_needs_a_host_where_none_is_known() {
    let rules = Rules::new();
    for data_center in ["US", "EU", "IN", "AU", "CN", "JP", "CA", "SA", "AE"] {
        let place = (
            "spec.zoho",
            json!({"service": "ZeptoMail", "dataCenter": data_center}),
        );
        let judged = rules.judge(&identity(std::slice::from_ref(&place)));
        let known = ["US", "EU", "IN", "AU", "CN"].contains(&data_center);
        let refusal = format!(
            "spec: no host of ZeptoMail is known in data centre {data_center}: set server.host, \
             and let the operator allow that host by allowedUpstreamHosts"
        );
        let expected = if known { vec![] } else { vec![refusal] };
        assert_eq!(judged, expected);
        let host = ("spec.server", json!({"host": "smtp.example.com"}));
        assert!(rules.judge(&identity(&[place, host])).is_empty());
        let mail = ("spec.zoho", json!({"dataCenter": data_center}));
        assert!(rules.judge(&identity(&[mail])).is_empty());
    }
}

#[test]
fn secrets_are_named_as_kubernetes_names_them() {
    let (name, key) = (
        "spec.credentials.passwordSecretRef.name",
        "spec.credentials.passwordSecretRef.key",
    );
    assert_rows(&[
        (name, json!("billing.zoho-1"), None),
        (name, json!("Billing"), Some((name, SECRET_NAME))),
        (name, json!("shop/billing"), Some((name, SECRET_NAME))),
        (name, json!("-billing"), Some((name, SECRET_NAME))),
        (key, json!("SMTP_password.txt"), None),
        (key, json!("pass word"), Some((key, SECRET_KEY))),
        (key, json!("a/b"), Some((key, SECRET_KEY))),
    ]);
}

#[test]
fn durations_have_a_range() {
    let (deadline, reply) = ("spec.delivery.deadline", "spec.delivery.finalReplyTimeout");
    let late = |message| Some((deadline, message));
    assert_rows(&[
        (deadline, json!("1s"), None),
        (deadline, json!("1m30s"), None),
        (deadline, json!("5m"), None),
        (deadline, json!("0s"), late(DEADLINE)),
        (deadline, json!("301s"), late(DEADLINE)),
        (deadline, json!("1h"), late(DEADLINE)),
        (deadline, json!("25"), late(DEADLINE)),
        (deadline, json!("1500ms"), late(DEADLINE)),
        (deadline, json!("-5s"), late(DEADLINE)),
        (deadline, json!(""), late(DEADLINE)),
        (reply, json!("1h"), None),
        (reply, json!("3601s"), Some((reply, FINAL_REPLY))),
        (reply, json!("0m"), Some((reply, FINAL_REPLY))),
    ]);
}

#[test]
fn sizes_have_a_range() {
    let path = "spec.limits.messageBytes";
    let refused = Some((path, SIZE));
    assert_rows(&[
        (path, json!(1024), None),
        (path, json!(53_477_376), None),
        (path, json!("1Ki"), None),
        (path, json!("51Mi"), None),
        (path, json!("1048576"), None),
        (path, json!(1023), refused),
        (path, json!(53_477_377), refused),
        (path, json!(-1024), refused),
        (path, json!("52Mi"), refused),
        (path, json!("1Gi"), refused),
        (path, json!("1000k"), refused),
        (path, json!("01Mi"), refused),
        (path, json!("40 Mi"), refused),
    ]);
}

proptest! {
    #[test]
    fn an_address_that_passes_is_one_that_the_sidecar_takes(
        address in "[a-zA-Z0-9.!'@_\\[\\]\" \\r\\n\u{e4}-]{0,8}@?[a-z0-9._\\[\\]:\u{e4}-]{0,12}"
    ) {
        thread_local!(static RULES: Rules = Rules::new());
        let refusals = RULES.with(|rules| {
            rules.judge(&identity(&[("spec.address", json!(address))]))
        });
        let taken = Address::parse(&address).is_ok();
        let quoted_or_literal = address.starts_with('"') || address.contains('[');
        prop_assert!(refusals.is_empty() == taken || (taken && quoted_or_literal), "{address:?}");
    }
}
