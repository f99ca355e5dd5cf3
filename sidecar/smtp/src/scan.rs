//! The search for the bytes that framing is about.

/// Bytes looked at together: without a branch for each byte the compiler makes vectors of them.
const BLOCK_BYTES: usize = 32;

/// Where the first CR, LF or NUL is.
pub(crate) fn find_special(bytes: &[u8]) -> Option<usize> {
    let blocks = bytes.chunks_exact(BLOCK_BYTES);
    let plain = blocks.take_while(|block| !has_special(block)).count() * BLOCK_BYTES;
    bytes[plain..]
        .iter()
        .position(|&byte| is_special(byte))
        .map(|found| plain + found)
}

fn has_special(block: &[u8]) -> bool {
    let flag = |byte| u8::from(byte == b'\r') | u8::from(byte == b'\n') | u8::from(byte == 0);
    block.iter().fold(0, |flags, &byte| flags | flag(byte)) != 0
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_special_byte_is_found_wherever_it_is(
            plain in 0_usize..200,
            special in proptest::sample::select(vec![b'\r', b'\n', 0]),
            after in proptest::collection::vec(any::<u8>(), 0..70),
        ) {
            let mut bytes = vec![b'.'; plain];
            prop_assert_eq!(find_special(&bytes), None);
            bytes.push(special);
            bytes.extend(after);
            prop_assert_eq!(find_special(&bytes), Some(plain));
        }
    }
}
