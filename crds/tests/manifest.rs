//! What is in `crds/manifests/` is what the types say.

use std::error::Error;

use serde_json::Value;
use zohorelay_crds::manifest;

const WRITTEN: &str = include_str!("../manifests/mailidentities.zohorelay.dev.yaml");

#[test]
fn the_written_manifest_is_that_of_the_types() -> Result<(), Box<dyn Error>> {
    assert!(
        WRITTEN == manifest::mail_identity_yaml()?,
        "crds/manifests/mailidentities.zohorelay.dev.yaml is not that of the types: run `make crds`"
    );
    Ok(())
}

#[test]
fn the_yaml_holds_the_same_values_as_the_json() -> Result<(), Box<dyn Error>> {
    let read: Value = serde_saphyr::from_str(WRITTEN)?;
    assert_eq!(read, manifest::mail_identity()?);
    Ok(())
}

#[test]
fn every_description_is_a_line_and_every_text_list_and_number_is_bounded()
-> Result<(), Box<dyn Error>> {
    let definition = manifest::mail_identity()?;
    let root = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let mut seen = 0;
    walk("", root, &mut |path, schema| {
        seen += 1;
        // The schema of the whole list describes its items.
        let is_item_of_text = path.ends_with("[]") && schema["type"] == "string";
        let description = schema["description"].as_str().unwrap_or_default();
        assert!(
            is_item_of_text || !description.is_empty(),
            "{path} has no description"
        );
        assert!(
            !description.contains('\n'),
            "{path} is described in several lines"
        );
        for forbidden in [
            "nullable",
            "x-kubernetes-preserve-unknown-fields",
            "additionalProperties",
        ] {
            assert!(schema.get(forbidden).is_none(), "{path} has {forbidden}");
        }
        let bounded = match schema["type"].as_str() {
            Some("string") => ["maxLength", "enum", "format"]
                .iter()
                .any(|bound| schema.get(*bound).is_some()),
            Some("array") => schema.get("maxItems").is_some(),
            Some("integer") => schema.get("minimum").is_some(),
            Some("object") => schema.get("properties").is_some(),
            Some("boolean") => true,
            _ => schema["x-kubernetes-int-or-string"] == true && schema.get("maxLength").is_some(),
        };
        assert!(bounded, "{path} has no bound: {schema}");
    });
    assert!(seen > 50, "only {seen} fields were looked at");
    Ok(())
}

fn walk(path: &str, schema: &Value, look: &mut impl FnMut(&str, &Value)) {
    look(path, schema);
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), field, look);
    }
    if let Some(items) = schema.get("items") {
        walk(&format!("{path}[]"), items, look);
    }
}
