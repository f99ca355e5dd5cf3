//! The examples are what the API server takes.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;

use kube_cel::Validator;
use serde_json::Value;
use zohorelay_crds::keys;
use zohorelay_crds::manifest;
use zohorelay_crds::v1alpha1::MailIdentity;

/// The objects of each file in `examples/`, with the file's name.
fn examples() -> Vec<(String, Vec<Value>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut examples = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "yaml") {
            let text = fs::read_to_string(&path).unwrap();
            let objects = serde_saphyr::from_multiple(&text).unwrap();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            examples.push((name, objects));
        }
    }
    assert!(examples.len() >= 9, "{} examples", examples.len());
    examples
}

#[test]
fn every_identity_of_the_examples_is_taken_and_has_its_secret_beside_it() {
    let definition = manifest::mail_identity().unwrap();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    for (file, objects) in examples() {
        for object in objects.iter().filter(|it| it["kind"] == "MailIdentity") {
            Validator::new().validate(schema, object, None).unwrap();
            let identity: MailIdentity = serde_json::from_value(object.clone()).unwrap();
            assert_eq!(identity.metadata.name.as_deref(), Some(&*file));
            let reference = identity.spec.credentials.password_secret_ref;
            let beside = objects.iter().any(|it| {
                it["kind"] == "Secret"
                    && it["metadata"]["name"] == *reference.name
                    && it["stringData"][&reference.key].is_string()
            });
            assert!(beside, "{file}: Secret {} is not there", reference.name);
        }
    }
}

#[test]
fn every_workload_of_the_examples_asks_for_an_identity_of_the_examples() {
    let examples = examples();
    let names: Vec<&str> = examples.iter().map(|(name, _)| name.as_str()).collect();
    let mut asked = 0;
    for object in examples.iter().flat_map(|(_, objects)| objects) {
        let spec = match object["kind"].as_str().unwrap() {
            "Deployment" => &object["spec"],
            "CronJob" => &object["spec"]["jobTemplate"]["spec"],
            _ => continue,
        };
        let template = &spec["template"]["metadata"];
        assert_eq!(template["labels"][keys::INJECT], "true");
        let identity = template["annotations"][keys::IDENTITIES].as_str().unwrap();
        assert!(names.contains(&identity), "{identity}");
        asked += 1;
    }
    assert_eq!(asked, 2);
}
