//! Container images from files, as OCI archives: without a daemon, a registry or a base image, and
//! byte for byte the same each time.
//!
//! ```no_run
//! use zohorelay_images::{Arch, Image};
//!
//! let written = Image::new("zohorelay/app", "0.1.0", Arch::host())
//!     .program("target/app".as_ref(), "/app")?
//!     .certificates()
//!     .write("target/app.tar".as_ref())?;
//! println!("{} {}", written.reference, written.digest);
//! # Ok::<(), zohorelay_images::ImageError>(())
//! ```

pub mod arch;
pub mod digest;
pub mod image;
pub mod ours;
pub mod sbom;
pub mod trust;

pub use arch::Arch;
pub use image::{Image, ImageError, Written};
