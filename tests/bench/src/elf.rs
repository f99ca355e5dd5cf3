//! Whether a program is static and stripped (ELF64, little-endian).

const PROGRAM_INTERPRETER: u32 = 3;
const SYMBOL_TABLE: u32 = 2;

/// What a program file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linkage {
    /// It asks for no dynamic loader.
    pub is_static: bool,
    /// It has no symbol table.
    pub is_stripped: bool,
}

/// Reads program and section headers; None where `file` is no 64-bit little-endian ELF file.
pub fn linkage(file: &[u8]) -> Option<Linkage> {
    if file.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let programs = headers(file, 32, 54)?;
    let sections = headers(file, 40, 58)?;
    let types = |table: Table, offset: usize| {
        (0..table.count).filter_map(move |index| {
            let at = table.start + index * table.size + offset;
            Some(u32::from_le_bytes(file.get(at..at + 4)?.try_into().ok()?))
        })
    };
    Some(Linkage {
        is_static: types(programs, 0).all(|kind| kind != PROGRAM_INTERPRETER),
        is_stripped: types(sections, 4).all(|kind| kind != SYMBOL_TABLE),
    })
}

struct Table {
    start: usize,
    size: usize,
    count: usize,
}

fn headers(file: &[u8], start_at: usize, size_at: usize) -> Option<Table> {
    let start = u64::from_le_bytes(file.get(start_at..start_at + 8)?.try_into().ok()?);
    let half = |at: usize| {
        Some(usize::from(u16::from_le_bytes(
            file.get(at..at + 2)?.try_into().ok()?,
        )))
    };
    Some(Table {
        start: usize::try_from(start).ok()?,
        size: half(size_at)?,
        count: half(size_at + 2)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(program_type: u32, section_type: u32) -> Vec<u8> {
        let mut file = vec![0; 64 + 56 + 64];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[32..40].copy_from_slice(&64_u64.to_le_bytes());
        file[40..48].copy_from_slice(&120_u64.to_le_bytes());
        file[54..56].copy_from_slice(&56_u16.to_le_bytes());
        file[56..58].copy_from_slice(&1_u16.to_le_bytes());
        file[58..60].copy_from_slice(&64_u16.to_le_bytes());
        file[60..62].copy_from_slice(&1_u16.to_le_bytes());
        file[64..68].copy_from_slice(&program_type.to_le_bytes());
        file[124..128].copy_from_slice(&section_type.to_le_bytes());
        file
    }

    #[test]
    fn an_interpreter_means_dynamic_and_a_symbol_table_means_unstripped() {
        let both = Linkage {
            is_static: true,
            is_stripped: true,
        };
        assert_eq!(linkage(&program(1, 1)), Some(both));
        assert_eq!(
            linkage(&program(3, 1)),
            Some(Linkage {
                is_static: false,
                ..both
            })
        );
        assert_eq!(
            linkage(&program(1, 2)),
            Some(Linkage {
                is_stripped: false,
                ..both
            })
        );
        assert_eq!(linkage(b"#!/bin/sh"), None);
    }

    #[test]
    fn this_test_program_has_its_symbols() {
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(!linkage(&file).unwrap().is_stripped);
    }
}
