//! The images of this project.

use std::path::Path;

use crate::{Arch, Image, ImageError};

/// A program of ours that has an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ours {
    /// The last part of the image's name, and the name of its archive.
    pub name: &'static str,
    /// The program, its package, and its path in the image: `/` and this.
    pub program: &'static str,
    /// What it is, for people.
    pub title: &'static str,
    /// What it does, in a sentence.
    pub description: &'static str,
}

/// All of them.
pub const OURS: [Ours; 3] = [
    Ours {
        name: "operator",
        program: "zohorelay-operator",
        title: "zohorelay operator",
        description: "Publishes mail identities to pods, and attaches the sidecar to them",
    },
    Ours {
        name: "sidecar",
        program: "zohorelay-sidecar",
        title: "zohorelay sidecar",
        description: "Takes mail from the applications of a pod and submits it to Zoho",
    },
    Ours {
        name: "simulator",
        program: "zoho-simulator",
        title: "zoho simulator",
        description: "A Zoho that behaves as Zoho does, with faults on demand, for tests",
    },
];

/// The version of all of them.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

impl Ours {
    /// The package, by its name and its version.
    pub(crate) fn id(&self) -> String {
        format!("{} {VERSION}", self.program)
    }

    /// The image, of the program in the folder `binaries`, which was built for `arch`.
    pub fn image(&self, binaries: &Path, arch: Arch) -> Result<Image, ImageError> {
        Ok(
            Image::new(&format!("zohorelay/{}", self.name), VERSION, arch)
                .program(&binaries.join(self.program), &format!("/{}", self.program))?
                .certificates()
                .label("org.opencontainers.image.title", self.title)
                .label("org.opencontainers.image.description", self.description)
                .label(
                    "org.opencontainers.image.licenses",
                    env!("CARGO_PKG_LICENSE"),
                )
                .label(
                    "org.opencontainers.image.source",
                    env!("CARGO_PKG_REPOSITORY"),
                ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image;

    #[test]
    fn the_containerfile_builds_the_same_images() {
        let file = include_str!("../Containerfile");
        let says = |text: String| assert!(file.contains(&text), "no {text}");
        for ours in OURS {
            let (name, program) = (ours.name, ours.program);
            says(format!(
                "FROM base AS {name}\nCOPY --from=build /release/{program} /{program}\n"
            ));
            says(format!("image.title=\"{}\"", ours.title));
            says(format!("image.description=\"{}\"", ours.description));
            says(format!("ENTRYPOINT [\"/{program}\"]"));
        }
        says(format!("image.version=\"{VERSION}\""));
        for line in [image::PASSWD, image::GROUP] {
            says(format!("echo '{}'", line.trim_end()));
        }
        says(format!("USER {0}:{0}", image::USER));
    }
}
