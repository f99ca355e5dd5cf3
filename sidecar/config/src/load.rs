//! From JSON to a checked document, and back.

use std::io::{self, Write};

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::bounds;
use crate::convert::{from_wire, to_wire};
use crate::document::{Document, Loaded};
use crate::error::DocumentError;
use crate::parse::{self, Object, parse};
use crate::wire::WireDocument;

/// How many unknown fields are named.
const UNKNOWN_FIELDS_MAX: usize = 100;

impl Document {
    /// Reads and checks a document. Unknown fields are ignored and listed; the caller wipes `json`.
    pub fn load(json: &[u8]) -> Result<Loaded, DocumentError> {
        if json.len() > bounds::DOCUMENT_BYTES_MAX {
            return Err(DocumentError::TooLarge {
                size_bytes: json.len(),
            });
        }
        check_version(json)?;
        let mut unknown_fields = Vec::new();
        let Object(wire): Object<WireDocument> = parse(json, &mut |path| {
            if unknown_fields.len() < UNKNOWN_FIELDS_MAX {
                unknown_fields.push(parse::ignored_path(path));
            }
        })?;
        let document = from_wire(wire)?;
        document.check()?;
        Ok(Loaded {
            document,
            unknown_fields,
        })
    }

    /// Renders the document as JSON, its password included. Refuses what [`Document::load`] would
    /// refuse, so that no sidecar is handed a document that it cannot read.
    pub fn to_json(&self) -> Result<Zeroizing<Vec<u8>>, DocumentError> {
        self.check()?;
        let wire = to_wire(self);
        // Measured first: a buffer that grows would leave copies of the password behind.
        let mut length = Length(0);
        write_json(&wire, &mut length)?;
        if length.0 > bounds::DOCUMENT_BYTES_MAX {
            return Err(DocumentError::TooLarge {
                size_bytes: length.0,
            });
        }
        let mut json = Zeroizing::new(Vec::with_capacity(length.0));
        write_json(&wire, &mut *json)?;
        Ok(json)
    }
}

/// Before all else: a document of another version may look different anywhere.
fn check_version(json: &[u8]) -> Result<(), DocumentError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u64,
    }
    let Object(Versioned { version }) = parse(json, &mut |_| {})?;
    if bounds::VERSIONS.contains(&version) {
        Ok(())
    } else {
        Err(DocumentError::UnknownVersion { found: version })
    }
}

fn write_json(wire: &WireDocument, output: impl Write) -> Result<(), DocumentError> {
    serde_json::to_writer(output, wire).map_err(|error| parse::syntax(&error))
}

/// Counts what is written.
struct Length(usize);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
