//! Archives are read back with `tar` and `flate2`; what they must hold stands in the specification.

use std::io::Read as _;

use flate2::read::GzDecoder;
use tar::{Archive, EntryType};

use super::*;
use crate::digest::sha256;
use crate::ours::{OURS, Ours};

struct Entry {
    path: String,
    kind: EntryType,
    mode: u32,
    owner: (u64, u64),
    mtime: u64,
    content: Vec<u8>,
}

fn entries(tar: &[u8]) -> Vec<Entry> {
    let mut archive = Archive::new(tar);
    let read = |mut entry: tar::Entry<'_, &[u8]>| {
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let header = entry.header();
        Entry {
            path: header.path().unwrap().display().to_string(),
            kind: header.entry_type(),
            mode: header.mode().unwrap(),
            owner: (header.uid().unwrap(), header.gid().unwrap()),
            mtime: header.mtime().unwrap(),
            content,
        }
    };
    archive
        .entries()
        .unwrap()
        .map(|entry| read(entry.unwrap()))
        .collect()
}

fn content<'a>(entries: &'a [Entry], path: &str) -> &'a [u8] {
    let entry = entries.iter().find(|entry| entry.path == path);
    &entry.unwrap_or_else(|| panic!("no {path}")).content
}

fn json(entries: &[Entry], path: &str) -> Value {
    serde_json::from_slice(content(entries, path)).unwrap()
}

/// What a descriptor points at, after its digest and its size were compared.
fn blob<'a>(entries: &'a [Entry], descriptor: &Value) -> &'a [u8] {
    let digest = descriptor["digest"].as_str().unwrap();
    let hex = digest.strip_prefix("sha256:").unwrap();
    let blob = content(entries, &format!("blobs/sha256/{hex}"));
    assert_eq!(sha256(blob), hex);
    assert_eq!(descriptor["size"], blob.len());
    blob
}

/// Manifest, config, and the layer unpacked.
fn parts(entries: &[Entry]) -> (Value, Value, Vec<u8>) {
    let index = json(entries, "index.json");
    let manifest: Value = serde_json::from_slice(blob(entries, &index["manifests"][0])).unwrap();
    let config = serde_json::from_slice(blob(entries, &manifest["config"])).unwrap();
    let mut layer = Vec::new();
    GzDecoder::new(blob(entries, &manifest["layers"][0]))
        .read_to_end(&mut layer)
        .unwrap();
    (manifest, config, layer)
}

/// The sidecar's image around a program that is none.
fn sidecar() -> Image {
    let folder = tempfile::tempdir().unwrap();
    let ours: Ours = OURS[1];
    fs::write(folder.path().join(ours.program), "a program").unwrap();
    ours.image(folder.path(), Arch::Arm64).unwrap()
}

fn archive(image: &Image) -> Vec<Entry> {
    entries(&image.archive().unwrap().0)
}

#[test]
fn every_digest_and_size_is_that_of_what_it_points_at() {
    let entries = archive(&sidecar());
    let (_, config, layer) = parts(&entries);
    let diff_id = format!("sha256:{}", sha256(&layer));
    assert_eq!(config["rootfs"]["diff_ids"], json!([diff_id]));
    assert_eq!(json(&entries, "oci-layout")["imageLayoutVersion"], "1.0.0");
    let blobs = entries.iter().filter(|e| e.path.starts_with("blobs/"));
    assert_eq!(blobs.filter(|e| e.kind.is_file()).count(), 3);
}

#[test]
fn an_image_of_ours_holds_the_program_the_authorities_and_the_names_of_its_user() {
    let (_, _, layer) = parts(&archive(&sidecar()));
    let layer = entries(&layer);
    let found: Vec<_> = layer.iter().map(|e| (e.path.as_str(), e.mode)).collect();
    let expected = [
        ("etc/", 0o755),
        ("etc/ssl/", 0o755),
        ("etc/ssl/certs/", 0o755),
        ("etc/group", 0o644),
        ("etc/passwd", 0o644),
        ("etc/ssl/certs/ca-certificates.crt", 0o644),
        ("zohorelay-sidecar", 0o755),
    ];
    assert_eq!(found, expected);
    assert_eq!(content(&layer, "zohorelay-sidecar"), b"a program");
    let passwd = String::from_utf8_lossy(content(&layer, "etc/passwd"));
    let fields: Vec<_> = passwd.trim_end().split(':').collect();
    let user = USER.to_string();
    assert_eq!(fields[2..4], [&user, &user]);
    assert_eq!(fields.len(), 7);
}

#[test]
fn everything_is_owned_by_root_and_of_the_year_1970() {
    let entries_of_both = |image: &Image| {
        let outer = archive(image);
        let (_, _, layer) = parts(&outer);
        outer.into_iter().chain(entries(&layer)).collect::<Vec<_>>()
    };
    for entry in entries_of_both(&sidecar()) {
        assert_eq!((entry.owner, entry.mtime), ((0, 0), 0), "{}", entry.path);
    }
}

#[test]
fn the_same_files_make_the_same_bytes_whatever_their_time_and_order() {
    let (first, second) = (sidecar(), sidecar());
    assert_eq!(first.archive().unwrap(), second.archive().unwrap());
    let image = |a: &str, b: &str| {
        Image::new("a/b", "1", Arch::Amd64)
            .file(a, a)
            .file(b, b)
            .archive()
            .unwrap()
    };
    assert_eq!(image("/x", "/y"), image("/y", "/x"));
    assert_ne!(image("/x", "/y").1, image("/x", "/z").1);
}

#[test]
fn gzip_tells_neither_a_time_nor_a_system() {
    let layer = layer::layer(&sidecar().files).unwrap();
    // RFC 1952, 2.3: MTIME and OS.
    assert_eq!(layer.compressed[4..8], [0; 4]);
    assert_eq!(layer.compressed[9], 255);
}

#[test]
fn the_image_runs_the_program_as_somebody_and_says_what_it_is() {
    let (manifest, config, _) = parts(&archive(&sidecar()));
    assert_eq!(config["architecture"], "arm64");
    assert_eq!(config["os"], "linux");
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(
        config["config"]["Entrypoint"],
        json!(["/zohorelay-sidecar"])
    );
    let labels = &config["config"]["Labels"];
    for label in ["title", "description", "licenses", "source", "version"] {
        let text = labels[format!("org.opencontainers.image.{label}")].as_str();
        assert!(text.is_some_and(|text| !text.is_empty()), "{label}");
    }
    assert_eq!(&manifest["annotations"], labels);
}

#[test]
fn containerd_and_docker_find_the_name() {
    let image = sidecar();
    let entries = archive(&image);
    let index = json(&entries, "index.json");
    let annotations = &index["manifests"][0]["annotations"];
    let name = format!("docker.io/{}", image.reference());
    assert_eq!(annotations["io.containerd.image.name"], name);
    let docker = &json(&entries, "manifest.json")[0];
    assert_eq!(docker["RepoTags"], json!([image.reference()]));
    for path in [&docker["Config"], &docker["Layers"][0]] {
        assert!(!content(&entries, path.as_str().unwrap()).is_empty());
    }
}

#[test]
fn what_was_written_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.tar");
    let image = Image::new("a/b", "1", Arch::Amd64).file("/x", "four");
    let written = image.write(&path).unwrap();
    assert_eq!(written.reference, "a/b:1");
    assert_eq!(written.archive_bytes, fs::metadata(&path).unwrap().len());
    let names = (PASSWD.len() + GROUP.len()) as u64;
    assert_eq!(written.unpacked_bytes, names + 4);
    let index = json(&entries(&fs::read(&path).unwrap()), "index.json");
    assert_eq!(index["manifests"][0]["digest"], written.digest);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_program_that_was_not_built_is_named() {
    let image = Image::new("a/b", "1", Arch::Amd64).program("no/such".as_ref(), "/x");
    let error = image.unwrap_err();
    assert_eq!(error.to_string(), "reading no/such");
}
