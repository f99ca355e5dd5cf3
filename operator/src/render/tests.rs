use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const CANARY: &str = "canary-8f3a";

const IDENTITY: &str = "\
apiVersion: zohorelay.dev/v1alpha1
kind: MailIdentity
metadata: {name: billing}
spec:
  address: billing@example.com
  credentials: {passwordSecretRef: {name: billing-zoho, key: password}}
";

const SECRET: &str = "\
apiVersion: v1
kind: Secret
metadata: {name: billing-zoho}
stringData: {password: canary-8f3a}
";

/// Renders the texts as files `0.yaml`, `1.yaml` … into `out`.
fn render(folder: &TempDir, texts: &[&str]) -> Result<String, RenderError> {
    let files = texts.iter().enumerate().map(|(index, text)| {
        let file = folder.path().join(format!("{index}.yaml"));
        fs::write(&file, text).unwrap();
        file
    });
    run(&RenderArgs {
        files: files.collect(),
        into: folder.path().join("out"),
        allowed_upstream_hosts: vec!["*.gateway.example.com".to_owned()],
    })
}

fn rendered(texts: &[&str]) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let told = render(&folder, texts).unwrap();
    (folder, told)
}

fn document(folder: &TempDir, name: &str) -> Document {
    let path = folder.path().join("out").join(name).join("identity.json");
    Document::load_file(&path).unwrap().document
}

/// The mistakes as text; nothing may be written.
fn refused(texts: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let error = render(&folder, texts).unwrap_err();
    assert!(!folder.path().join("out").exists(), "something was written");
    let text = error.to_string();
    assert!(!format!("{text} {error:?}").contains(CANARY), "{text}");
    text.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn the_folder_is_what_a_sidecar_reads_and_nobody_else_can() {
    let (folder, told) = rendered(&[&format!("{IDENTITY}---\n{SECRET}")]);
    let document = document(&folder, "billing");
    assert_eq!(document.login.password.expose(), CANARY);
    assert_eq!((document.uid, document.revision), (None, None));
    let mode = |path: &str| {
        let path = folder.path().join("out").join(path);
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(
        (mode("billing"), mode("billing/identity.json")),
        (0o700, 0o600)
    );
    let entries = fs::read_dir(folder.path().join("out/billing"))
        .unwrap()
        .count();
    assert_eq!(entries, 1, "nothing is left beside it");
    let path = folder.path().join("out/billing/identity.json");
    let line = format!(
        "{}: billing@example.com through smtppro.zoho.com:465\n",
        path.display()
    );
    assert_eq!(told, line);
}

#[test]
fn a_second_rendering_replaces_the_first() {
    let folder = tempfile::tempdir().unwrap();
    render(&folder, &[IDENTITY, SECRET]).unwrap();
    render(
        &folder,
        &[&IDENTITY.replace("spec:", "spec:\n  suspend: true"), SECRET],
    )
    .unwrap();
    assert!(document(&folder, "billing").suspend);
}

#[test]
fn secrets_in_base64_or_plain_in_lists_and_in_other_files_are_found() {
    let base64 = SECRET.replace(
        "stringData: {password: canary-8f3a}",
        "data: {password: Y2FuYXJ5LThmM2E=}",
    );
    let both = SECRET.replace("stringData:", "data: {password: eA==}\nstringData:");
    let item = |text: &str| format!("- {}", text.trim_end().replace('\n', "\n  "));
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n{}\n{}\n",
        item(SECRET),
        item(IDENTITY)
    );
    for texts in [[IDENTITY, &base64], [&both, IDENTITY], [&list, ""]] {
        let (folder, _) = rendered(&texts);
        assert_eq!(document(&folder, "billing").login.password.expose(), CANARY);
    }
}

#[test]
fn other_kinds_are_skipped_by_name_and_odd_passwords_noted() {
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shop}\n";
    let blank = SECRET.replace("canary-8f3a", "'canary-8f3a '");
    let (_folder, told) = rendered(&[&format!("{deployment}---\n{IDENTITY}---\n{blank}")]);
    assert!(
        told.contains(
            "\n  note: the password in Secret billing-zoho, key password ends with a blank"
        ),
        "{told}"
    );
    assert!(
        told.contains("skipped Deployment shop (") && told.contains("0.yaml, document 1)\n"),
        "{told}"
    );
    assert!(!told.contains(CANARY));
}

#[test]
fn each_mistake_names_file_document_object_and_remedy() {
    let broken = "kind: [\n";
    let identity = |from: &str, to: &str| IDENTITY.replace(from, to);
    let secret = |from: &str, to: &str| SECRET.replace(from, to);
    let other_case = identity("address:", "Address:");
    let server = identity("spec:", "spec:\n  server: {host: mail.example.com}");
    let deep = format!("{}1{}", "{a: ".repeat(100), "}".repeat(100));
    let cases: [(&[&str], &str); 18] = [
        (&[broken], "0.yaml, document 1: this is not YAML at line"),
        (
            &[&deep],
            "0.yaml, document 1: this document is larger, or nested more deeply, than is read",
        ),
        (
            &[SECRET, IDENTITY, "a: b"],
            "2.yaml, document 1: this is no Kubernetes object: it needs apiVersion",
        ),
        (
            &[IDENTITY],
            "0.yaml, document 1: MailIdentity billing: there is no Secret billing-zoho",
        ),
        (
            &[IDENTITY, &secret("password:", "pass:")],
            "0.yaml, document 1: MailIdentity billing: Secret billing-zoho has no key password; it has the key pass",
        ),
        (
            &[IDENTITY, &secret("canary-8f3a", "\"canary-8f3a\\n\"")],
            "key password ends with a line end: write it again",
        ),
        (
            &[IDENTITY, &secret("canary-8f3a", "12345678")],
            "1.yaml, document 1: Secret billing-zoho: stringData.password: text is needed here, and this reads as something else; put it in quotes",
        ),
        (
            &[IDENTITY, &secret("stringData", "data")],
            "1.yaml, document 1: Secret billing-zoho: data.password: this is not base64",
        ),
        (
            &[IDENTITY, &secret("{password: canary-8f3a}", "canary-8f3a")],
            "stringData: keys with their values are needed here",
        ),
        (
            &[IDENTITY, &secret("password: ", "password ")],
            "stringData: a key has letters, digits, -, _ and . only",
        ),
        (
            &[IDENTITY, SECRET, SECRET],
            "2.yaml, document 1: Secret billing-zoho: another Secret of that name stands in 1.yaml, document 1",
        ),
        (
            &[IDENTITY, SECRET, IDENTITY],
            "2.yaml, document 1: MailIdentity billing: another identity of that name stands in 0.yaml",
        ),
        (
            &[&other_case, SECRET],
            "spec.address: this field is missing; set it",
        ),
        (
            &[&identity("spec:", "spec:\n  adress: x"), SECRET],
            "MailIdentity billing: spec.adress: there is no such field",
        ),
        (
            &[
                &identity(
                    "{passwordSecretRef: {name: billing-zoho, key: password}}",
                    CANARY,
                ),
                SECRET,
            ],
            "spec.credentials: the value does not fit; expected struct Credentials",
        ),
        (
            &[&identity("v1alpha1", "v9"), SECRET],
            "apiVersion zohorelay.dev/v9 is not known; set zohorelay.dev/v1alpha1",
        ),
        (
            &[&server, SECRET],
            "spec.server.host: \"mail.example.com\" is none of Zoho's servers",
        ),
        (&[SECRET], "there is no MailIdentity in the input; give one"),
    ];
    for (texts, expected) in cases {
        let text = refused(texts);
        assert!(text.contains(expected), "{expected:?} in {text:?}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let second = IDENTITY
        .replace("name: billing}", "name: other}")
        .replace("billing@example.com", "x");
    let text = refused(&[&format!("{IDENTITY}---\n{second}---\nkind: 3\n")]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    for (line, start) in lines.iter().zip([
        "nothing was written:",
        "0.yaml, document 3: ",
        "0.yaml, document 1: MailIdentity billing: ",
        "0.yaml, document 2: MailIdentity other: spec.address: ",
    ]) {
        assert!(line.starts_with(start), "{start:?} in {line:?}");
    }
}

#[test]
fn a_namespace_belongs_to_the_name_of_a_secret() {
    let namespaced = |text: &str| text.replace("metadata: {", "metadata: {namespace: shop, ");
    let text = refused(&[&namespaced(IDENTITY), SECRET]);
    assert!(
        text.contains("there is no Secret billing-zoho in namespace shop"),
        "{text}"
    );
    let (folder, _) = rendered(&[&namespaced(IDENTITY), &namespaced(SECRET)]);
    assert_eq!(
        document(&folder, "billing").namespace.as_deref(),
        Some("shop")
    );
}

#[test]
fn what_cannot_be_read_or_written_is_told_with_its_path_and_a_code_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("out"), "a file in the way").unwrap();
    let error = render(&folder, &[IDENTITY, SECRET]).unwrap_err();
    assert!(matches!(error, RenderError::Write { .. }), "{error}");
    assert_eq!(error.code(), 73);
    let missing = RenderArgs {
        files: vec![folder.path().join("none.yaml")],
        into: folder.path().to_owned(),
        allowed_upstream_hosts: Vec::new(),
    };
    let error = run(&missing).unwrap_err();
    assert!(error.to_string().ends_with("none.yaml"), "{error}");
    assert_eq!(error.code(), 1);
    let pattern = RenderArgs {
        allowed_upstream_hosts: vec!["*".to_owned()],
        ..missing
    };
    assert_eq!(run(&pattern).unwrap_err().code(), 64);
}

#[test]
fn every_example_renders() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    let files: Vec<_> = files
        .into_iter()
        .filter(|path| path.extension().is_some_and(|it| it == "yaml"))
        .collect();
    let out = tempfile::tempdir().unwrap();
    let told = run(&RenderArgs {
        files,
        into: out.path().to_owned(),
        allowed_upstream_hosts: Vec::new(),
    })
    .unwrap();
    for name in [
        "billing", "support", "helpdesk", "reports", "alerts", "orders", "late",
    ] {
        assert!(
            told.contains(&format!(
                "/{name}/identity.json: {name}@example.com through"
            )),
            "{told}"
        );
    }
}

proptest! {
    #[test]
    fn no_error_quotes_the_password_of_a_secret_however_broken_the_text_is(
        at in 0..IDENTITY.len() + SECRET.len() - "{password: canary-8f3a}\n".len() - 2,
        cut in 0..6_usize,
        slip in prop::sample::select(vec![
            "", "\"", "'", ": ", "&a ", "*a ", "!t ", "\t", "- x\n", "{", "}", "[", "#", "\n---\n", "| \n",
        ]),
    ) {
        let text = format!("{IDENTITY}---\n{SECRET}");
        let end = (at + cut).min(text.len());
        let text = format!("{}{slip}{}", &text[..at], &text[end..]);
        let folder = tempfile::tempdir().unwrap();
        if let Err(error) = render(&folder, &[&text]) {
            let told = format!("{error} {error:?}");
            prop_assert!(!told.contains(CANARY), "{told}");
        }
    }
}
