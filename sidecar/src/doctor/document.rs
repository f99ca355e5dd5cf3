//! The document of an identity: is it there, is it good, does it let mail go?

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use jiff::Timestamp;
use zohorelay_config::{Document, Loaded, ReadError, Service, is_dns_label};
use zohorelay_process::checkup::Finding;

use super::check::DOCUMENT;
use super::remedy;

/// The folders that may be identities. Those whose name is none (`..data` of the kubelet) are not.
pub(crate) fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| is_dns_label(name))
        .collect()
}

/// Where there is nothing to look at.
pub(crate) fn none(folder: &Path) -> Finding {
    let found = if folder.is_dir() {
        format!("{} holds no identity", folder.display())
    } else {
        format!("there is no folder {}", folder.display())
    };
    Finding::failed(
        DOCUMENT,
        "",
        found,
        "In a pod: does `kubectl get mid` show the identity, and is it Ready? The operator publishes its \
         document then, and the pod has it within two minutes. By hand: name the folder with \
         --identities. To look at a server without an identity: --host smtp.zoho.eu (your data \
         centre's).",
    )
}

/// The document of `name`, and what is to say of it.
pub(crate) fn read(folder: &Path, name: &str, now: Timestamp) -> (Option<Document>, Finding) {
    let path = folder.join(name).join("identity.json");
    match Document::load_file(&path) {
        Ok(loaded) if loaded.document.name != name => (None, misplaced(name, &loaded.document)),
        Ok(loaded) => {
            let finding = judge(name, &loaded, now);
            (Some(loaded.document), finding)
        }
        Err(error) => {
            let finding = unusable(name, &error).detail("path", path.display().to_string());
            (None, finding)
        }
    }
}

fn misplaced(name: &str, document: &Document) -> Finding {
    Finding::failed(
        DOCUMENT,
        name,
        format!(
            "the document in this folder is of identity {}",
            document.name
        ),
        "Put it into the folder of its name, or correct `name` in it.",
    )
}

fn unusable(name: &str, error: &ReadError) -> Finding {
    let remedy = match error {
        ReadError::Missing => {
            "It is awaited: until it comes, mails are answered 451. `kubectl describe mid` says what the \
             operator waits for; once that is mended the pod has the document within two minutes. Also \
             compare the name in the pod's annotation zohorelay.dev/identities."
        }
        ReadError::Unreadable(_) => {
            "Let the user of the sidecar (65532) read it: defaultMode 0444 of the volume."
        }
        ReadError::Invalid(_) => {
            "Correct it as the text says. Where the operator wrote it, operator and sidecar may be of \
             different releases: restart the pod."
        }
    };
    Finding::failed(DOCUMENT, name, error.to_string(), remedy)
}

fn judge(name: &str, loaded: &Loaded, now: Timestamp) -> Finding {
    let document = &loaded.document;
    let finding = if let Some((found, remedy)) = concern(document, now) {
        Finding::warning(DOCUMENT, name, found, remedy)
    } else {
        let primary = document.addresses.primary.as_str();
        Finding::ok(
            DOCUMENT,
            name,
            format!("read and valid; sends as {primary}"),
        )
    };
    let revision = document
        .revision
        .map_or("none".to_owned(), |r| r.to_string());
    let finding = finding.detail("revision", revision);
    if loaded.unknown_fields.is_empty() {
        return finding;
    }
    finding.detail("unknownFields", loaded.unknown_fields.join(", "))
}

/// What keeps mails back, or will.
fn concern(document: &Document, now: Timestamp) -> Option<(String, String)> {
    if document.suspend {
        let found = "it is suspended: every mail is answered 451 and nothing is sent".to_owned();
        return Some((
            found,
            "Set suspend to false when mail may go again.".to_owned(),
        ));
    }
    if let Some(hold) = document.hold.filter(|hold| hold.until > now) {
        let found = format!(
            "it holds all mail until {}: {}",
            hold.until,
            hold.reason.as_str()
        );
        let remedy = remedy(hold.reason.as_str()).to_owned();
        return Some((found, remedy));
    }
    odd_login(document)
}

/// What often is why a login is refused. No part of the password is said.
fn odd_login(document: &Document) -> Option<(String, String)> {
    let login = &document.login;
    let (username, password) = (&login.username, login.password.expose());
    if password.contains(char::is_whitespace) {
        let found = "the password has a blank or a line end in it".to_owned();
        let remedy = "App passwords have none. Write it into the Secret again without: `printf %s` instead \
                      of `echo`.";
        return Some((found, remedy.to_owned()));
    }
    let is_alias =
        |alias: &zohorelay_smtp::address::Address| alias.as_str().eq_ignore_ascii_case(username);
    if document.upstream.service == Service::Mail && document.addresses.aliases.iter().any(is_alias)
    {
        let found =
            "the user name is an alias; Zoho takes the mailbox's primary address only".to_owned();
        return Some((found, "Log in with the primary address.".to_owned()));
    }
    if document.upstream.service == Service::Mail && !username.contains('@') {
        let found = "the user name is no mail address".to_owned();
        return Some((found, "Log in with the mailbox's full address.".to_owned()));
    }
    None
}
