//! The rows of `tests/replies/zoho.tsv`, as text: the tests of the crate from inside and from
//! outside read the same file.

/// One observed reply and what it means.
pub(crate) struct Row {
    /// The line of the file, for messages.
    pub(crate) line: usize,
    /// Row of `docs/zoho.md`, or `-`.
    pub(crate) fact: String,
    /// The reply as it stands on the wire.
    pub(crate) wire: Vec<u8>,
    /// Name of the stage.
    pub(crate) stage: String,
    /// Name of the class.
    pub(crate) class: String,
}

/// All rows.
pub(crate) fn read() -> Vec<Row> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/replies/zoho.tsv");
    let file = std::fs::read_to_string(path).unwrap();
    let lines = (1..).zip(file.lines());
    let mut rows = lines.filter(|(_, line)| !line.starts_with('#'));
    let (_, titles) = rows.next().unwrap();
    assert_eq!(titles, "row\treply\tstage\tclass");
    rows.map(|(number, line)| parse(number, line)).collect()
}

fn parse(line: usize, text: &str) -> Row {
    let columns: Vec<&str> = text.split('\t').collect();
    let [row, reply, stage, class] = columns[..] else {
        panic!("line {line} has not four columns");
    };
    let wire = format!("{}\r\n", reply.replace("\\r\\n", "\r\n")).into_bytes();
    Row {
        line,
        fact: row.into(),
        wire,
        stage: stage.into(),
        class: class.into(),
    }
}
