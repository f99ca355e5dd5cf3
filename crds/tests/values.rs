//! Sizes and durations survive the way to YAML and back, and the defaults are the sidecar's.

use std::error::Error;

use proptest::prelude::*;
use serde_json::{Value, json};
use zohorelay_config as config;
use zohorelay_crds::manifest;
use zohorelay_crds::v1alpha1::{MailIdentity, Seconds, Size};

proptest! {
    #[test]
    fn a_size_comes_back(bytes in 1024_u64..=53_477_376) {
        let size = Size::from_bytes(bytes)?;
        let json = serde_json::to_value(size)?;
        prop_assert_eq!(serde_json::from_value::<Size>(json)?, size);
        prop_assert_eq!(serde_json::from_value::<Size>(json!(bytes))?, size);
        prop_assert_eq!(bytes.to_string().parse::<Size>()?, size);
    }

    #[test]
    fn a_duration_comes_back(seconds in 0_u64..1_000_000) {
        let duration = Seconds::new(seconds);
        let json = serde_json::to_value(duration)?;
        prop_assert_eq!(serde_json::from_value::<Seconds>(json)?, duration);
        let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        prop_assert_eq!(format!("{h}h{m}m{s}s").parse::<Seconds>()?, duration);
    }

    #[test]
    fn no_text_panics(text in "[0-9hmsKiM]{0,20}|.{0,20}") {
        let _ = text.parse::<Size>();
        let _ = text.parse::<Seconds>();
    }
}

#[test]
fn sizes_and_durations_are_written_as_people_write_them() -> Result<(), Box<dyn Error>> {
    let size = |text: &str| -> Result<Value, Box<dyn Error>> {
        Ok(serde_json::to_value(text.parse::<Size>()?)?)
    };
    assert_eq!(size("41943040")?, json!("40Mi"));
    assert_eq!(size("512Ki")?, json!("512Ki"));
    assert_eq!(size("1025")?, json!(1025));
    let written = |seconds| Seconds::new(seconds).to_string();
    assert_eq!(
        [written(25), written(300), written(5400), written(7200)],
        ["25s", "5m", "90m", "2h"]
    );
    Ok(())
}

#[test]
fn the_defaults_are_those_of_the_document() -> Result<(), Box<dyn Error>> {
    let identity: MailIdentity = serde_json::from_value(json!({
        "apiVersion": "zohorelay.dev/v1alpha1",
        "kind": "MailIdentity",
        "metadata": {"name": "billing"},
        "spec": {
            "address": "billing@example.com",
            "credentials": {"passwordSecretRef": {"name": "billing-zoho", "key": "password"}}
        }
    }))?;
    let spec = identity.spec;
    let delivery = config::Delivery::default();
    assert_eq!(spec.delivery.deadline.duration(), delivery.deadline);
    assert_eq!(
        spec.delivery.final_reply_timeout.duration(),
        delivery.final_reply_timeout
    );
    let policy = config::SenderPolicy::default();
    assert_eq!(policy.foreign_calendar, None);
    assert_eq!(spec.sender_policy.foreign_calendar, None);
    for (ours, theirs) in [
        (
            spec.delivery.unknown_outcome.as_str(),
            json!(delivery.unknown_outcome),
        ),
        (
            spec.sender_policy.foreign_from.as_str(),
            json!(policy.foreign_from),
        ),
        (
            spec.line_endings.as_str(),
            json!(config::LineEndings::default()),
        ),
        (
            spec.zoho.service.as_str(),
            json!(config::Service::default()),
        ),
    ] {
        assert_eq!(json!(ours), theirs);
    }
    assert!(!spec.suspend);
    Ok(())
}

#[test]
fn the_schema_fills_in_what_serde_fills_in() -> Result<(), Box<dyn Error>> {
    let definition = manifest::mail_identity()?;
    let fields = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
        ["properties"];
    let identity: MailIdentity = serde_json::from_value(json!({
        "apiVersion": "zohorelay.dev/v1alpha1",
        "kind": "MailIdentity",
        "metadata": {},
        "spec": {
            "address": "billing@example.com",
            "credentials": {"passwordSecretRef": {"name": "billing-zoho", "key": "password"}}
        }
    }))?;
    let spec = serde_json::to_value(identity.spec)?;
    for name in [
        "zoho",
        "senderPolicy",
        "delivery",
        "limits",
        "lineEndings",
        "suspend",
    ] {
        assert_eq!(fields[name]["default"], spec[name], "{name}");
        for (inner, field) in fields[name]["properties"].as_object().into_iter().flatten() {
            assert_eq!(
                field.get("default"),
                spec[name].get(inner),
                "{name}.{inner}"
            );
        }
    }
    assert_eq!(
        fields["credentials"]["properties"]["verification"]["default"],
        spec["credentials"]["verification"]
    );
    Ok(())
}

#[test]
fn the_limits_that_are_described_are_those_of_the_document() -> Result<(), Box<dyn Error>> {
    let definition = manifest::mail_identity()?;
    let limits = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
        ["properties"]["limits"]["properties"];
    let default = config::Limits::default();
    assert_eq!(default.messages_per_hour, None);
    for (name, value) in [
        ("messagesPerHour", "no pacing".to_owned()),
        ("burst", default.burst.to_string()),
        (
            "recipientsPerMessage",
            default.recipients_per_message.to_string(),
        ),
        ("messageBytes", format!("{}Mi", default.message_bytes >> 20)),
        ("connections", default.connections.to_string()),
    ] {
        let description = limits[name]["description"].as_str().unwrap_or_default();
        assert!(
            description.ends_with(&format!("Default: {value}.")),
            "{name}: {description}"
        );
    }
    Ok(())
}
