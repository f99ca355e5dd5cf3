//! The documents without a cluster: `MailIdentity` and Secret YAML in, the folder of a sidecar out.

mod folder;
mod object;
mod stream;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;
use zohorelay_config::Document;
use zohorelay_process::exit;

use crate::args::RenderArgs;
use crate::host::{AllowedHosts, HostPatternError};
use crate::identity::validate::{SecretFact, validate};

use object::{Identity, Object, Secret};

/// Stands for stdin among the files.
const STDIN: &str = "-";

/// Why nothing was rendered, or not all.
#[derive(Debug, Error)]
pub enum RenderError {
    /// A pattern of hosts cannot be read.
    #[error(transparent)]
    AllowedHosts(#[from] HostPatternError),
    /// A file cannot be read.
    #[error("reading {}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something in the files is wrong: all that is.
    #[error("nothing was written:\n{}", lines(.0))]
    Mistakes(Vec<Mistake>),
    /// A file cannot be written.
    #[error("writing {}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl RenderError {
    /// The exit code of the program.
    pub fn code(&self) -> u8 {
        match self {
            Self::AllowedHosts(_) => exit::USAGE,
            Self::Write { .. } => exit::CANNOT_CREATE,
            Self::Read { .. } | Self::Mistakes(_) => 1,
        }
    }
}

/// What is wrong with one object. Never quotes a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it stands.
    pub place: Place,
    /// The object, as in `MailIdentity billing`, where so much can be read.
    pub object: Option<String>,
    /// What is wrong and what to do.
    pub problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        f.write_str(&self.problem)
    }
}

/// Where an object stands in the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file; `-` is stdin.
    pub file: PathBuf,
    /// Which of its documents, counted from 1; empty ones do not count.
    pub document: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, document {}", self.file.display(), self.document)
    }
}

/// Renders every identity of the files, or none if anything is wrong. Returns what to tell on stdout.
pub fn run(args: &RenderArgs) -> Result<String, RenderError> {
    let allowed = AllowedHosts::parse(&args.allowed_upstream_hosts)?;
    let mut mistakes = Vec::new();
    let mut input = Input::default();
    for file in &args.files {
        let text = read(file).map_err(|source| RenderError::Read {
            file: file.clone(),
            source,
        })?;
        for object in stream::objects(file, &text) {
            match object {
                Ok(object) => input.add(object, &mut mistakes),
                Err(mistake) => mistakes.push(mistake),
            }
        }
    }
    let rendered = input.documents(&allowed, &mut mistakes);
    if mistakes.is_empty() && rendered.is_empty() {
        mistakes.push(input.nothing(&args.files));
    }
    if !mistakes.is_empty() {
        return Err(RenderError::Mistakes(mistakes));
    }
    let mut told = Vec::new();
    for Rendered { document, hints } in &rendered {
        let path = folder::write(&args.into, document)?;
        told.push(line(&path, document));
        told.extend(hints.iter().map(|hint| format!("  note: {hint}")));
    }
    told.extend(input.skipped.iter().map(|it| format!("skipped {it}")));
    Ok(told.join("\n") + "\n")
}

fn read(file: &Path) -> io::Result<Zeroizing<String>> {
    if file == Path::new(STDIN) {
        let mut text = Zeroizing::new(String::new());
        io::stdin().lock().read_to_string(&mut text)?;
        Ok(text)
    } else {
        fs::read_to_string(file).map(Zeroizing::new)
    }
}

/// All objects of the input, by what they are for.
#[derive(Default)]
struct Input {
    identities: Vec<Identity>,
    secrets: Vec<Secret>,
    skipped: Vec<String>,
}

/// A document to write, and what is odd about it.
struct Rendered {
    document: Document,
    hints: Vec<String>,
}

impl Input {
    /// Takes an object, unless there is one of its name already.
    fn add(&mut self, object: Object, mistakes: &mut Vec<Mistake>) {
        match object {
            Object::Identity(identity) => {
                let twin = self
                    .identities
                    .iter()
                    .find(|it| it.name() == identity.name());
                match twin.map(|twin| twin.place.clone()) {
                    Some(place) => mistakes.push(identity.mistake(format!(
                        "another identity of that name stands in {place}, and each has the folder of \
                         its name; render them into two folders"
                    ))),
                    None => self.identities.push(*identity),
                }
            }
            Object::Secret(secret) => {
                let twin = self.secrets.iter().find(|it| it.key() == secret.key());
                match twin.map(|twin| twin.place.clone()) {
                    Some(place) => mistakes.push(secret.mistake(format!(
                        "another Secret of that name stands in {place}; keep one of them"
                    ))),
                    None => self.secrets.push(secret),
                }
            }
            Object::Other { what, place } => self.skipped.push(format!("{what} ({place})")),
        }
    }

    fn documents(&self, allowed: &AllowedHosts, mistakes: &mut Vec<Mistake>) -> Vec<Rendered> {
        let mut rendered = Vec::new();
        for identity in &self.identities {
            match validate(&identity.object, &self.secret_of(identity), allowed) {
                Ok(draft) => rendered.push(Rendered {
                    document: draft.document,
                    hints: draft.hints,
                }),
                Err(problem) => mistakes.push(identity.mistake(problem.message)),
            }
        }
        rendered
    }

    fn secret_of(&self, identity: &Identity) -> SecretFact {
        let wanted = identity.secret_key();
        match self.secrets.iter().find(|secret| secret.key() == wanted) {
            Some(secret) => SecretFact::Found {
                resource_version: String::new(),
                data: secret.data.clone(),
            },
            None => SecretFact::Missing,
        }
    }

    fn nothing(&self, files: &[PathBuf]) -> Mistake {
        let skipped = match self.skipped.len() {
            0 => String::new(),
            count => format!("; {count} objects of other kinds were skipped"),
        };
        Mistake {
            place: Place {
                file: files.first().cloned().unwrap_or_default(),
                document: 1,
            },
            object: None,
            problem: format!("there is no MailIdentity in the input{skipped}; give one"),
        }
    }
}

fn line(path: &Path, document: &Document) -> String {
    let upstream = &document.upstream;
    format!(
        "{}: {} through {}:{}",
        path.display(),
        document.addresses.primary.as_str(),
        upstream.host,
        upstream.port
    )
}

fn lines(mistakes: &[Mistake]) -> String {
    let lines: Vec<String> = mistakes.iter().map(Mistake::to_string).collect();
    lines.join("\n")
}
