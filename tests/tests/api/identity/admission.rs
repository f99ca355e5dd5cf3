//! What the API server itself makes of a `MailIdentity`: refusals with a remedy, defaults, and no nulls.

use kube::api::{DynamicObject, PostParams};
use kube::core::gvk::GroupVersionKind;
use kube::discovery::pinned_kind;
use kube::{Api, Client};
use serde_json::{Value, json};
use zohorelay_cluster::shared;
use zohorelay_tests::objects::{install_crds, namespace};

/// Objects go to the API server and no further: no operator, and nothing is kept.
struct Admission {
    identities: Api<DynamicObject>,
    _client: Client,
}

impl Admission {
    async fn new() -> Self {
        let client = shared().await.unwrap().client().unwrap();
        install_crds(&client).await.unwrap();
        let here = namespace(&client).await.unwrap();
        let kind = GroupVersionKind::gvk("zohorelay.dev", "v1alpha1", "MailIdentity");
        let (resource, _) = pinned_kind(&client, &kind).await.unwrap();
        Self {
            identities: Api::namespaced_with(client.clone(), &here, &resource),
            _client: client,
        }
    }

    /// The object as it would be stored, or why it is refused.
    async fn judge(&self, object: &Value) -> Result<Value, String> {
        let object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
        let params = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        match self.identities.create(&params, &object).await {
            Ok(object) => Ok(serde_json::to_value(object).unwrap()),
            Err(kube::Error::Api(status)) => Err(status.message.clone()),
            Err(error) => panic!("{error}"),
        }
    }
}

/// The least identity with other values at some paths; missing objects are made.
fn identity(changes: &[(&str, Value)]) -> Value {
    let mut object = json!({
        "apiVersion": "zohorelay.dev/v1alpha1",
        "kind": "MailIdentity",
        "metadata": {"name": "billing"},
        "spec": {
            "address": "billing@example.com",
            "credentials": {"passwordSecretRef": {"name": "billing-zoho", "key": "password"}},
        },
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

/// A path, a value for it, and what the API server says of it.
type Row = (&'static str, Value, &'static str);

async fn assert_refused(rows: Vec<Row>) {
    let admission = Admission::new().await;
    for (path, value, words) in rows {
        let said = admission.judge(&identity(&[(path, value.clone())])).await;
        let said = said.expect_err(&format!("{path} = {value}"));
        assert!(said.contains(words), "{path} = {value}: {said}");
        assert!(
            said.contains(path) || path == "metadata.name",
            "{path} = {value}: {said}"
        );
    }
}

#[tokio::test]
async fn a_mistake_that_an_object_shows_by_itself_is_refused_with_what_to_do() {
    let full_address = "a full address is needed here, as in billing@example.com; set one";
    assert_refused(vec![
        (
            "metadata.name",
            json!("billing.eu"),
            "no dots, at most 63 characters; choose another name",
        ),
        (
            "metadata.name",
            json!("a".repeat(64)),
            "at most 63 characters; choose another name",
        ),
        ("spec.address", json!("billing"), full_address),
        (
            "spec.address",
            json!("Billing <billing@example.com>"),
            full_address,
        ),
        (
            "spec.address",
            json!("a@example.com\r\nRCPT TO:<b@c>"),
            full_address,
        ),
        ("spec.aliases", json!(["a@b.c", "no address"]), full_address),
        (
            "spec.aliases",
            json!(["a@example.com", "A@Example.com"]),
            "an alias stands here twice",
        ),
        (
            "spec.aliases",
            json!(["a@example.com", "a@example.com"]),
            "Duplicate value",
        ),
        (
            "spec.aliases",
            json!(["Billing@example.com"]),
            "remove it from the aliases",
        ),
        (
            "spec.displayName",
            json!("Bill\r\nBcc: a@b.c"),
            "a control character stands here",
        ),
        (
            "spec.displayName",
            json!("é".repeat(129)),
            "more than 256 bytes of UTF-8",
        ),
        (
            "spec.credentials.username",
            json!("billing"),
            "Zoho Mail takes the full address of the mailbox",
        ),
        (
            "spec.credentials.username",
            json!("a\0@b.c"),
            "a control character stands here",
        ),
        (
            "spec.credentials.passwordSecretRef.name",
            json!("other/billing"),
            "it must be in the namespace of the identity",
        ),
        (
            "spec.credentials.passwordSecretRef.key",
            json!("a/b"),
            "a key of a Secret is needed here",
        ),
        (
            "spec.delivery.deadline",
            json!("301s"),
            "whole seconds from 1s to 5m",
        ),
        (
            "spec.delivery.deadline",
            json!("1500ms"),
            "whole seconds from 1s to 5m",
        ),
        (
            "spec.delivery.finalReplyTimeout",
            json!("2h"),
            "whole seconds from 1s to 1h",
        ),
        (
            "spec.limits.messageBytes",
            json!("52Mi"),
            "a size from 1Ki to 51Mi is needed here",
        ),
        (
            "spec.limits.messageBytes",
            json!(1),
            "a size from 1Ki to 51Mi is needed here",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_server_that_takes_no_mail_or_no_tls_is_refused_with_what_to_set() {
    let server = |fields: Value| {
        let mut server = json!({"host": "smtppro.zoho.com"});
        server
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        server
    };
    let certificate = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let with_key =
        format!("{certificate}-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n");
    assert_refused(vec![
        (
            "spec.server",
            server(json!({"port": 25})),
            "never on 25: set port 465 with security ImplicitTls, or 587 with StartTls",
        ),
        (
            "spec.server",
            server(json!({"port": 465, "security": "StartTls"})),
            "set security ImplicitTls, or port 587 with StartTls",
        ),
        (
            "spec.server",
            server(json!({"port": 587, "security": "ImplicitTls"})),
            "set security StartTls, or port 465 with ImplicitTls",
        ),
        (
            "spec.server",
            server(json!({"port": 2525, "security": "StartTls"})),
            "465 or 587 only",
        ),
        (
            "spec.server",
            json!({"host": "smtp.example.com", "port": 2525}),
            "set security to ImplicitTls or StartTls",
        ),
        (
            "spec.server.host",
            json!("192.0.2.1"),
            "a DNS name is needed here",
        ),
        (
            "spec.server.host",
            json!("smtppro.zoho.com:465"),
            "no port and no final dot",
        ),
        (
            "spec.server",
            server(json!({"caBundle": "ca.crt"})),
            "PEM certificates are needed here",
        ),
        (
            "spec.server",
            server(json!({"caBundle": with_key})),
            "replace that key, since others may have read it",
        ),
    ])
    .await;
}

#[tokio::test]
async fn numbers_lists_and_texts_have_bounds_and_choices_are_closed() {
    let many: Vec<_> = (0..101)
        .map(|number| format!("a{number}@example.com"))
        .collect();
    let long = format!("{}@{}.c", "x".repeat(64), "b.".repeat(100));
    assert_refused(vec![
        ("spec.address", json!(long), "254"),
        ("spec.aliases", json!(many), "must have at most 100 items"),
        ("spec.displayName", json!(""), "1"),
        ("spec.zoho.dataCenter", json!("UK"), "supported values: \"US\", \"EU\", \"IN\", \"AU\", \"JP\", \"CN\", \"CA\", \"SA\", \"AE\""),
        ("spec.zoho.service", json!("Campaigns"), "supported values: \"Mail\", \"ZeptoMail\""),
        ("spec.zoho.accountType", json!("Free"), "supported values: \"Organization\", \"Personal\""),
        ("spec.senderPolicy.foreignFrom", json!("reject"), "supported values: \"Reject\", \"Rewrite\", \"Attach\", \"Pass\""),
        ("spec.credentials.verification", json!("None"), "supported values: \"BestEffort\", \"Required\""),
        ("spec.delivery.unknownOutcome", json!("Accept"), "supported values: \"Retry\", \"Fail\""),
        ("spec.lineEndings", json!("Lax"), "supported values: \"Normalise\", \"Strict\""),
        ("spec.limits.connections", json!(0), "greater than or equal to 1"),
        ("spec.limits.connections", json!(51), "less than or equal to 50"),
        ("spec.limits.burst", json!(1001), "less than or equal to 1000"),
        ("spec.limits.messagesPerHour", json!(0), "greater than or equal to 1"),
        ("spec.limits.recipientsPerMessage", json!(1001), "less than or equal to 1000"),
        ("spec.suspend", json!("yes"), "must be of type boolean"),
        ("spec.server", json!({"host": "a.b", "port": 65536, "security": "StartTls"}), "less than or equal to 65535"),
        ("spec.server", json!({"host": "a.b", "security": "None"}), "supported values: \"ImplicitTls\", \"StartTls\""),
    ])
    .await;
}

#[tokio::test]
async fn zeptomail_wants_a_host_where_none_is_known_and_says_which_data_centre() {
    let admission = Admission::new().await;
    for data_center in ["US", "EU", "IN", "AU", "CN", "JP", "CA", "SA", "AE"] {
        let zoho = json!({"service": "ZeptoMail", "dataCenter": data_center});
        let without = admission
            .judge(&identity(&[("spec.zoho", zoho.clone())]))
            .await;
        if ["JP", "CA", "SA", "AE"].contains(&data_center) {
            let said = without.unwrap_err();
            let words = format!(
                "no host of ZeptoMail is known in data centre {data_center}: set server.host"
            );
            assert!(
                said.contains(&words) && said.contains("allowedUpstreamHosts"),
                "{said}"
            );
        } else {
            without.unwrap();
        }
        let host = ("spec.server", json!({"host": "smtp.example.com"}));
        admission
            .judge(&identity(&[("spec.zoho", zoho), host]))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn what_is_left_out_has_its_default_and_a_null_is_left_out() {
    let admission = Admission::new().await;
    let filled = json!({
        "address": "billing@example.com",
        "zoho": {"service": "Mail", "dataCenter": "US", "accountType": "Organization"},
        "credentials": {
            "passwordSecretRef": {"name": "billing-zoho", "key": "password"},
            "verification": "BestEffort",
        },
        "senderPolicy": {"foreignFrom": "Reject"},
        "delivery": {"deadline": "25s", "finalReplyTimeout": "5m", "unknownOutcome": "Retry"},
        "limits": {},
        "lineEndings": "Normalise",
        "suspend": false,
    });
    let least = admission.judge(&identity(&[])).await.unwrap();
    assert_eq!(least["spec"], filled);
    // Nobody takes it for done.
    let fresh = &least["status"]["conditions"][0];
    assert_eq!(
        (&fresh["type"], &fresh["status"], &fresh["reason"]),
        (&json!("Ready"), &json!("Unknown"), &json!("Pending"))
    );

    let nulls = [
        "displayName",
        "aliases",
        "zoho",
        "zoho.dataCenter",
        "server",
        "credentials.username",
        "credentials.verification",
        "senderPolicy",
        "senderPolicy.foreignFrom",
        "senderPolicy.foreignCalendar",
        "delivery",
        "delivery.deadline",
        "limits.messagesPerHour",
        "limits.messageBytes",
        "lineEndings",
        "suspend",
    ];
    for path in nulls {
        let stored = admission
            .judge(&identity(&[(&format!("spec.{path}"), Value::Null)]))
            .await;
        assert_eq!(stored.unwrap()["spec"], filled, "{path}: null");
    }
    // What must be there must not be null either.
    for path in ["address", "credentials", "credentials.passwordSecretRef"] {
        admission
            .judge(&identity(&[(&format!("spec.{path}"), Value::Null)]))
            .await
            .unwrap_err();
    }
}

#[tokio::test]
async fn a_field_that_does_not_exist_is_dropped_and_the_limits_of_every_bound_are_taken() {
    let admission = Admission::new().await;
    let aliases: Vec<_> = (0..100)
        .map(|number| format!("a{number}@example.com"))
        .collect();
    let object = identity(&[
        ("spec.aliases", json!(aliases)),
        ("spec.passwort", json!("typing mistake")),
        (
            "spec.limits",
            json!({
                "messagesPerHour": 100_000, "burst": 1000, "recipientsPerMessage": 1000,
                "messageBytes": "51Mi", "connections": 50,
            }),
        ),
        (
            "spec.delivery",
            json!({"deadline": "5m", "finalReplyTimeout": "1h"}),
        ),
    ]);
    let stored = admission.judge(&object).await.unwrap();
    assert_eq!(stored["spec"]["aliases"].as_array().unwrap().len(), 100);
    assert!(stored["spec"].get("passwort").is_none());
}
