//! The two images that each node has: one that holds a pod's namespaces, and one with a shell.

use std::path::{Path, PathBuf};

use zohorelay_images::{Arch, Image, ImageError};

use super::{NodeError, needs};

/// Writes their archives into the folder.
pub(super) fn write(folder: &Path) -> Result<[PathBuf; 2], NodeError> {
    let archives = [folder.join("pause.tar"), folder.join("busybox.tar")];
    let busybox = needs::find("busybox").unwrap_or_default();
    write_from(&busybox, &archives).map_err(NodeError::Image)?;
    Ok(archives)
}

fn write_from(busybox: &Path, [pause, shell]: &[PathBuf; 2]) -> Result<(), ImageError> {
    let image = |name, arguments: &[&str]| {
        let image = Image::new(name, "1", Arch::host()).program(busybox, "/bin/busybox")?;
        Ok(image.arguments(arguments))
    };
    image("zohorelay/pause", &["tail", "-f", "/dev/null"])?.write(pause)?;
    image("zohorelay/busybox", &["sh"])?.write(shell)?;
    Ok(())
}
